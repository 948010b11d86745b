import { useCallback, type ReactElement } from 'react';

import type { FileKind, IFileEntry } from '../api/types';
import { useLoaded } from '../live/hooks';
import { visible } from '../text/ansi';
import { formatBytes } from '../text/format';
import { AnsiText } from '../ui/ansiText';
import { useAml } from '../ui/context';
import { ImageBytes } from '../ui/imageBytes';
import { ErrorMessage, Loading, Note } from '../ui/messages';
import { imageType, readNotebook, readText } from './fileContent';
import { NotebookPreview } from './notebookPreview';

/** Larger files are for downloading. */
const MAX_PREVIEW = 20 * 1024 * 1024;
/** Characters of a text shown. */
const MAX_TEXT = 500_000;

/** A file as an image (PNG and JPEG, by their bytes), a notebook, or plain text; never as a page. */
export function FilePreview(props: {
  runId: string;
  kind: FileKind;
  entry: IFileEntry;
}): ReactElement {
  const { client, trans } = useAml();
  const { runId, kind, entry } = props;
  const fits = entry.size <= MAX_PREVIEW;
  const load = useCallback(
    () => client.fileBytes(runId, kind, entry.path),
    // The digest tells of new content under the same path.
    // eslint-disable-next-line react-hooks/exhaustive-deps
    [client, runId, kind, entry.path, entry.digest]
  );
  const { value: bytes, error } = useLoaded(fits ? load : null);
  return (
    <>
      <div className="jp-aml-bar">
        <bdi className="jp-aml-file-title">{visible(entry.path)}</bdi>
        <span className="jp-aml-quiet">{formatBytes(entry.size)}</span>
        <span className="jp-aml-spacer" />
        <a
          className="jp-aml-button"
          href={client.fileUrl(runId, kind, entry.path)}
          download={entry.path.split('/').at(-1)}
        >
          {trans.__('Download')}
        </a>
      </div>
      {!fits && <Note>{trans.__('This file is too large to be shown here.')}</Note>}
      {error && <ErrorMessage error={error} />}
      {fits && bytes === null && !error && <Loading />}
      {bytes && <Content bytes={bytes} path={entry.path} />}
    </>
  );
}

function Content({ bytes, path }: { bytes: ArrayBuffer; path: string }): ReactElement {
  const { trans } = useAml();
  const type = imageType(bytes);
  if (type !== null) {
    return <ImageBytes bytes={bytes} type={type} alt={visible(path)} />;
  }
  const text = readText(bytes);
  if (text === null) {
    return <Note>{trans.__('This file is neither text nor a PNG or JPEG image.')}</Note>;
  }
  const cells = path.endsWith('.ipynb') ? readNotebook(text) : null;
  if (cells !== null) {
    return <NotebookPreview cells={cells} />;
  }
  return (
    <>
      <AnsiText text={text.slice(0, MAX_TEXT)} />
      {text.length > MAX_TEXT && <Note>{trans.__('The rest is in the download.')}</Note>}
    </>
  );
}
