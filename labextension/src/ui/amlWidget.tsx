import { ReactWidget } from '@jupyterlab/apputils';
import type { ReactElement } from 'react';

import { AmlContext, type IAmlContext } from './context';

/** A Lumino widget around one of our components; unmounts it when disposed. */
export class AmlWidget extends ReactWidget {
  constructor(
    private readonly _context: IAmlContext,
    private readonly _content: ReactElement
  ) {
    super();
    this.addClass('jp-aml');
  }

  protected render(): ReactElement {
    return <AmlContext.Provider value={this._context}>{this._content}</AmlContext.Provider>;
  }
}
