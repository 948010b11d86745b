import { ReactWidget } from '@jupyterlab/apputils';
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import type { ComponentType, ReactElement } from 'react';

import { AmlContext, type IAmlContext } from '../ui/context';

/** Draws the data of one of our mime types with a component. */
export class AmlRenderer extends ReactWidget implements IRenderMime.IRenderer {
  constructor(
    private readonly _context: IAmlContext,
    private readonly _mimeType: string,
    private readonly _component: ComponentType<{ data: unknown }>
  ) {
    super();
    this.addClass('jp-aml');
    this.addClass('jp-aml-output');
  }

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    this._data = model.data[this._mimeType];
    this.update();
    await this.renderPromise;
  }

  protected render(): ReactElement {
    const Component = this._component;
    return (
      <AmlContext.Provider value={this._context}>
        <Component data={this._data} />
      </AmlContext.Provider>
    );
  }

  private _data: unknown = null;
}
