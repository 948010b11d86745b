import { LabIcon } from '@jupyterlab/ui-components';

import amlSvg from '../../style/icons/aml.svg';
import submitSvg from '../../style/icons/submit.svg';

export const amlIcon = new LabIcon({ name: 'jupyter-aml:aml', svgstr: amlSvg });
export const submitIcon = new LabIcon({ name: 'jupyter-aml:submit', svgstr: submitSvg });
