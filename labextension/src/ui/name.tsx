import type { ReactElement } from 'react';

import { visible } from '../text/ansi';

/** A name somebody chose: kept apart from the text around it, with nothing in it that could reorder that text. */
export function Name({ text, className }: { text: string; className?: string }): ReactElement {
  const shown = visible(text);
  return (
    <bdi className={`jp-aml-name ${className ?? ''}`} title={shown}>
      {shown}
    </bdi>
  );
}
