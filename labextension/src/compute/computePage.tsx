import { MainAreaWidget } from '@jupyterlab/apputils';
import type { Event } from '@jupyterlab/services';
import type { Message } from '@lumino/messaging';
import { Signal, type ISignal } from '@lumino/signaling';

import { AmlWidget } from '../ui/amlWidget';
import type { IAmlContext } from '../ui/context';
import { computeIcon } from '../ui/icons';
import { ComputeList } from './computeList';
import { ComputeView, type IShown } from './computeView';

export const PAGE_ID = 'jupyter-aml-compute';

/** The page of computes in the main area; it reads only while it is shown. */
export class ComputePage extends MainAreaWidget<AmlWidget> {
  constructor(context: IAmlContext, stream?: ISignal<unknown, Event.Emission>) {
    const list = new ComputeList({ client: context.client.computes, stream });
    const shown = new Shown();
    super({ content: new AmlWidget(context, <ComputeView list={list} shown={shown} />) });
    this._list = list;
    this._shown = shown;
    this.id = PAGE_ID;
    this.title.label = context.trans.__('Compute');
    this.title.icon = computeIcon;
    this.title.closable = true;
    this.content.addClass('jp-aml-scrolling');
    this.toolbar.hide();
  }

  /** Show one compute, or the lists. */
  showCompute(name: string | null): void {
    this._shown.show(name);
  }

  override dispose(): void {
    this._list.dispose();
    super.dispose();
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this._list.setActive(true);
  }

  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    this._list.setActive(this.isVisible);
  }

  protected override onAfterHide(message: Message): void {
    super.onAfterHide(message);
    this._list.setActive(false);
  }

  private readonly _list: ComputeList;
  private readonly _shown: Shown;
}

class Shown implements IShown {
  get name(): string | null {
    return this._name;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  show(name: string | null): void {
    this._name = name;
    this._changed.emit();
  }

  private _name: string | null = null;
  private readonly _changed = new Signal<this, void>(this);
}
