import { useCallback, useEffect, useRef, useState, type ReactElement } from 'react';

import type { IRun } from '../api/types';
import { useLoaded, useLogTail } from '../live/hooks';
import type { LogTail } from '../live/logTail';
import { isFinal } from '../api/status';
import { formatBytes } from '../text/format';
import { AnsiText } from '../ui/ansiText';
import { useAml } from '../ui/context';
import { ErrorMessage, Note } from '../ui/messages';

const MAIN_STREAM = 'user_logs/std_log.txt';

/** The run's log streams; the chosen one grows while the run does. */
export function LogsTab({ run }: { run: IRun }): ReactElement {
  const { client, trans } = useAml();
  const [chosen, setChosen] = useState<string | null>(null);
  const load = useCallback(
    () => client.logs(run.id),
    // A stream may appear with each new state.
    // eslint-disable-next-line react-hooks/exhaustive-deps
    [client, run.id, run.status, run.attempt]
  );
  const { value, error } = useLoaded(load);
  const streams = value ?? [];
  const first = streams.find(item => item.stream === MAIN_STREAM) ?? streams[0];
  const stream = chosen ?? first?.stream ?? (isFinal(run.status) ? null : MAIN_STREAM);
  const tail = useLogTail(run, stream);
  const [follow, setFollow] = useState(true);
  return (
    <div className="jp-aml-logs">
      <div className="jp-aml-bar">
        <label>
          {trans.__('Stream')}{' '}
          <select
            className="jp-mod-styled"
            value={stream ?? ''}
            onChange={event => setChosen(event.target.value)}
          >
            {streams.length === 0 && stream !== null && <option value={stream}>{stream}</option>}
            {streams.map(item => (
              <option key={item.stream} value={item.stream}>
                {`${item.stream} (${formatBytes(item.size)})`}
              </option>
            ))}
          </select>
        </label>
        <label>
          <input
            type="checkbox"
            checked={follow}
            onChange={event => setFollow(event.target.checked)}
          />{' '}
          {trans.__('Follow')}
        </label>
      </div>
      {error && <ErrorMessage error={error} />}
      {tail && <LogText tail={tail} follow={follow} onFollow={setFollow} />}
    </div>
  );
}

function LogText(props: {
  tail: LogTail;
  follow: boolean;
  onFollow: (follow: boolean) => void;
}): ReactElement {
  const { trans } = useAml();
  const { tail, follow, onFollow } = props;
  const box = useRef<HTMLDivElement>(null);
  const text = tail.text;
  useEffect(() => {
    if (follow && box.current !== null) {
      box.current.scrollTop = box.current.scrollHeight;
    }
  }, [text, follow]);
  const onScroll = (): void => {
    const node = box.current;
    if (node !== null) {
      onFollow(node.scrollHeight - node.scrollTop - node.clientHeight < 24);
    }
  };
  const earlier = (): void => {
    onFollow(false);
    void tail.loadEarlier();
  };
  return (
    <>
      {tail.error && <ErrorMessage error={tail.error} />}
      <div
        className="jp-aml-log"
        ref={box}
        onScroll={onScroll}
        role="log"
        aria-label={trans.__('Log of %1', tail.stream)}
        // A box that scrolls must be reachable by keyboard.
        // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
        tabIndex={0}
      >
        {tail.hasEarlier && (
          <button type="button" className="jp-aml-button" onClick={earlier}>
            {trans.__('Show earlier lines')}
          </button>
        )}
        {text === '' ? (
          <Note>{trans.__('Nothing was written yet.')}</Note>
        ) : (
          <AnsiText text={text} />
        )}
      </div>
    </>
  );
}
