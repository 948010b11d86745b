import type { IFileEntry } from '../api/types';

/** A folder or a file in a list of paths; folders have no entry. */
export interface IFileNode {
  name: string;
  path: string;
  entry: IFileEntry | null;
  children: IFileNode[];
}

/** The tree behind a flat list of paths: folders first, both by name. */
export function buildTree(entries: readonly IFileEntry[]): IFileNode[] {
  const root = folder('', '');
  const folders = new Map<string, IFileNode>([['', root]]);
  for (const entry of entries) {
    const parts = entry.path.split('/');
    const name = parts.pop() ?? entry.path;
    const parent = folderAt(parts, folders, root);
    parent.children.push({ name, path: entry.path, entry, children: [] });
  }
  folders.forEach(node => node.children.sort(compare));
  return root.children;
}

function folderAt(parts: string[], folders: Map<string, IFileNode>, root: IFileNode): IFileNode {
  let parent = root;
  let path = '';
  for (const part of parts) {
    path = path === '' ? part : `${path}/${part}`;
    let node = folders.get(path);
    if (node === undefined) {
      node = folder(part, path);
      folders.set(path, node);
      parent.children.push(node);
    }
    parent = node;
  }
  return parent;
}

function folder(name: string, path: string): IFileNode {
  return { name, path, entry: null, children: [] };
}

function compare(a: IFileNode, b: IFileNode): number {
  const kinds = Number(a.entry !== null) - Number(b.entry !== null);
  return kinds || a.name.localeCompare(b.name, undefined, { numeric: true });
}
