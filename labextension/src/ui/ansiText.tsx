import { memo, useMemo, type ReactElement } from 'react';

import { segments } from '../text/ansi';

/** Lines in one block: enough that few nodes are drawn, few enough that a new line redraws little. */
const BLOCK = 200;

/** Terminal output as text with Jupyter's colours; nothing in it is obeyed. */
export function AnsiText({ text }: { text: string }): ReactElement {
  const blocks = useMemo(() => splitBlocks(text), [text]);
  return (
    <div className="jp-aml-ansi jp-RenderedText">
      <pre>
        {blocks.map((block, index) => (
          <Block key={index} text={block} />
        ))}
      </pre>
    </div>
  );
}

const Block = memo(function Block({ text }: { text: string }): ReactElement {
  return (
    <span>
      {segments(text).map((segment, index) =>
        segment.className === '' ? (
          segment.text
        ) : (
          <span key={index} className={segment.className}>
            {segment.text}
          </span>
        )
      )}
    </span>
  );
});

function splitBlocks(text: string): string[] {
  const lines = text.split('\n');
  const blocks: string[] = [];
  for (let index = 0; index < lines.length; index += BLOCK) {
    const end = index + BLOCK;
    blocks.push(lines.slice(index, end).join('\n') + (end < lines.length ? '\n' : ''));
  }
  return blocks;
}
