import { useCallback, useMemo, useState, type ReactElement } from 'react';

import type { FileKind, IFileEntry, IRun } from '../api/types';
import { useLoaded, useRevision } from '../live/hooks';
import { visible } from '../text/ansi';
import { formatBytes } from '../text/format';
import { useAml } from '../ui/context';
import { ErrorMessage, Loading, Note } from '../ui/messages';
import { FilePreview } from './filePreview';
import { buildTree, type IFileNode } from './fileTree';

/** A run's files as a tree, with a preview of the chosen one. */
export function FilesTab({ run, kind }: { run: IRun; kind: FileKind }): ReactElement {
  const { client, trans } = useAml();
  const revision = useRevision(run);
  // A snapshot never changes, outputs come with the run.
  const version = kind === 'snapshot' ? '' : revision;
  const load = useCallback(
    () => client.files(run.id, kind),
    // eslint-disable-next-line react-hooks/exhaustive-deps
    [client, run.id, kind, version]
  );
  const { value: files, error } = useLoaded(load);
  const [path, setPath] = useState<string | null>(null);
  const tree = useMemo(() => buildTree(files ?? []), [files]);
  const chosen = files?.find(file => file.path === path) ?? null;
  if (files === null) {
    return error ? <ErrorMessage error={error} /> : <Loading />;
  }
  if (files.length === 0) {
    return <Note>{trans.__('No files.')}</Note>;
  }
  return (
    <div className="jp-aml-files">
      <div className="jp-aml-file-list">
        <FileList runId={run.id} kind={kind} nodes={tree} chosen={path} onChoose={setPath} />
      </div>
      <div className="jp-aml-file-preview">
        {chosen === null ? (
          <Note>{trans.__('Choose a file to see it here.')}</Note>
        ) : (
          <FilePreview key={chosen.path} runId={run.id} kind={kind} entry={chosen} />
        )}
      </div>
    </div>
  );
}

interface IFileListProps {
  runId: string;
  kind: FileKind;
  nodes: IFileNode[];
  chosen: string | null;
  onChoose: (path: string) => void;
}

function FileList(props: IFileListProps): ReactElement {
  return (
    <ul>
      {props.nodes.map(node => (
        <li key={node.path}>
          {node.entry === null ? (
            <details open>
              <summary>
                <bdi>{visible(node.name)}</bdi>
              </summary>
              <FileList {...props} nodes={node.children} />
            </details>
          ) : (
            <FileRow {...props} name={node.name} entry={node.entry} />
          )}
        </li>
      ))}
    </ul>
  );
}

function FileRow(props: IFileListProps & { name: string; entry: IFileEntry }): ReactElement {
  const { client, trans } = useAml();
  const { runId, kind, chosen, onChoose, name, entry } = props;
  return (
    <div className="jp-aml-file" data-chosen={chosen === entry.path}>
      <button
        type="button"
        className="jp-aml-file-name"
        aria-pressed={chosen === entry.path}
        onClick={() => onChoose(entry.path)}
      >
        <bdi>{visible(name)}</bdi>
      </button>
      <span className="jp-aml-quiet">{formatBytes(entry.size)}</span>
      <a
        className="jp-aml-link"
        href={client.fileUrl(runId, kind, entry.path)}
        download={name}
        aria-label={trans.__('Download %1', visible(entry.path))}
        title={trans.__('Download')}
      >
        ↓
      </a>
    </div>
  );
}
