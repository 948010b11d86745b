import { LabIcon } from '@jupyterlab/ui-components';

import amlSvg from '../../style/icons/aml.svg';
import computeSvg from '../../style/icons/compute.svg';
import submitSvg from '../../style/icons/submit.svg';

export const amlIcon = new LabIcon({ name: 'jupyter-aml:aml', svgstr: amlSvg });
export const computeIcon = new LabIcon({ name: 'jupyter-aml:compute', svgstr: computeSvg });
export const submitIcon = new LabIcon({ name: 'jupyter-aml:submit', svgstr: submitSvg });
