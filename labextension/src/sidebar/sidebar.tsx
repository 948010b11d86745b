import type { Message } from '@lumino/messaging';

import { AmlWidget } from '../ui/amlWidget';
import type { IAmlContext } from '../ui/context';
import { amlIcon } from '../ui/icons';
import { SidebarModel } from './sidebarModel';
import { SidebarView } from './sidebarView';

export const SIDEBAR_ID = 'jupyter-aml-sidebar';

/** The panel in the left area; it fetches only while it is shown. */
export class Sidebar extends AmlWidget {
  constructor(context: IAmlContext) {
    const model = new SidebarModel(context.client, context.feed);
    super(context, <SidebarView model={model} />);
    this._model = model;
    this.id = SIDEBAR_ID;
    this.title.icon = amlIcon;
    this.title.caption = context.trans.__('Experiments and Runs');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', this.title.caption);
    this.addClass('jp-aml-sidebar');
  }

  override dispose(): void {
    this._model.dispose();
    super.dispose();
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this._model.setActive(true);
  }

  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    this._model.setActive(this.isVisible);
  }

  protected override onAfterHide(message: Message): void {
    super.onAfterHide(message);
    this._model.setActive(false);
  }

  private readonly _model: SidebarModel;
}
