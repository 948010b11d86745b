import type { IFileBrowserFactory } from '@jupyterlab/filebrowser';
import type { INotebookTracker } from '@jupyterlab/notebook';
import type { Contents } from '@jupyterlab/services';

import { record } from '../api/decode';
import { ApiError } from '../api/errors';
import type { INotebookSource } from './submitDialog';

/**
 * The notebook as it is on disk. One that is open is saved first, so that what runs is what the user sees.
 */
export async function sourceOf(
  path: string,
  tracker: INotebookTracker | null,
  contents: Contents.IManager
): Promise<INotebookSource> {
  const open = tracker?.find(panel => panel.context.path === path);
  if (open) {
    if (open.context.model.dirty) {
      await open.context.save();
    }
    const notebook: unknown = open.context.model.toJSON();
    return { path: contents.localPath(path), notebook: asObject(notebook, path) };
  }
  const file = await contents.get(path, { type: 'notebook', content: true });
  return { path: contents.localPath(path), notebook: asObject(file.content, path) };
}

/** The path of the notebook chosen in the file browser, when it is one alone. */
export function selectedNotebook(browsers: IFileBrowserFactory | null): string | null {
  const browser = browsers?.tracker.currentWidget;
  const items = browser ? [...browser.selectedItems()] : [];
  const item = items[0];
  return items.length === 1 && item?.type === 'notebook' ? item.path : null;
}

function asObject(value: unknown, path: string): Record<string, unknown> {
  const notebook = record(value);
  if (notebook === null) {
    throw new ApiError(`${path} is not a notebook.`, 'not_a_notebook', 0);
  }
  return notebook;
}
