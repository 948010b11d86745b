import type { ReactElement } from 'react';

import { visible } from '../text/ansi';
import { AnsiText } from '../ui/ansiText';
import { useAml } from '../ui/context';
import { ImageBytes } from '../ui/imageBytes';
import { Note } from '../ui/messages';
import type { INotebookCell } from './fileContent';

/** Cells shown; an executed notebook longer than this is for downloading. */
const MAX_CELLS = 200;

/** A stored notebook to read: sources, texts and PNG images. Its HTML and scripts are not shown at all. */
export function NotebookPreview({ cells }: { cells: INotebookCell[] }): ReactElement {
  const { trans } = useAml();
  return (
    <div className="jp-aml-notebook">
      <Note>{trans.__('Text and images of the notebook. Download it to open it in full.')}</Note>
      {cells.slice(0, MAX_CELLS).map((cell, index) => (
        <section key={index} className="jp-aml-notebook-cell" data-type={cell.type}>
          {cell.type === 'code' && (
            <span className="jp-aml-notebook-count">[{cell.count ?? ' '}]</span>
          )}
          <pre>{visible(cell.source)}</pre>
          {cell.outputs.map((output, at) => (
            <div key={at} className="jp-aml-notebook-output" data-error={output.isError}>
              {output.png ? (
                <ImageBytes
                  bytes={output.png}
                  type="image/png"
                  alt={visible(output.text) || trans.__('Image')}
                />
              ) : (
                <AnsiText text={output.text} />
              )}
            </div>
          ))}
        </section>
      ))}
      {cells.length > MAX_CELLS && <Note>{trans.__('The rest is in the download.')}</Note>}
    </div>
  );
}
