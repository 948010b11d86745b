import { Poll } from '@lumino/polling';
import { useCallback, useEffect, useMemo, useReducer, useState } from 'react';

import { asApiError, type ApiError } from '../api/errors';
import { isFinal } from '../api/status';
import type { IRun } from '../api/types';
import { useAml } from '../ui/context';
import { LogTail } from './logTail';

export interface IWatched {
  run: IRun | null;
  error: ApiError | null;
}

/** A run kept current while `enabled`; what was seen last stays when it is not. */
export function useRun(runId: string, enabled = true): IWatched {
  const { feed } = useAml();
  const [state, setState] = useState<IWatched>({ run: null, error: null });
  useEffect(() => {
    if (!enabled) {
      return;
    }
    const handle = feed.watch(runId);
    const { watched } = handle;
    const update = (): void => setState({ run: watched.run, error: watched.error });
    watched.changed.connect(update);
    if (watched.run !== null) {
      update();
    }
    return () => {
      watched.changed.disconnect(update);
      handle.dispose();
    };
  }, [feed, runId, enabled]);
  return state;
}

/** The time, each second while something on screen shows how long it has been going. */
export function useNow(ticking: boolean): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (!ticking) {
      return;
    }
    setNow(Date.now());
    const timer = window.setInterval(() => {
      if (document.visibilityState !== 'hidden') {
        setNow(Date.now());
      }
    }, 1000);
    return () => window.clearInterval(timer);
  }, [ticking]);
  return now;
}

export interface ILoaded<T> {
  value: T | null;
  error: ApiError | null;
  loading: boolean;
  reload: () => void;
}

/**
 * What `load` brings, loaded again whenever `load` itself changes. The last value stays shown meanwhile, and an
 * answer that was overtaken is dropped. `load` must be stable (`useCallback`).
 */
export function useLoaded<T>(load: (() => Promise<T>) | null): ILoaded<T> {
  const [state, setState] = useState<Omit<ILoaded<T>, 'reload'>>({
    value: null,
    error: null,
    loading: load !== null
  });
  const [round, reload] = useReducer((count: number) => count + 1, 0);
  useEffect(() => {
    if (load === null) {
      return;
    }
    let current = true;
    setState(previous => ({ ...previous, loading: true }));
    load().then(
      value => current && setState({ value, error: null, loading: false }),
      (thrown: unknown) =>
        current &&
        setState(previous => ({ ...previous, error: asApiError(thrown), loading: false }))
    );
    return () => {
      current = false;
    };
  }, [load, round]);
  return { ...state, reload };
}

/** A number that changes when what hangs on the run (metrics, cells, files) should be fetched again. */
export function useRevision(run: IRun | null): string {
  const progress = run?.progress;
  const metrics = run === null ? '' : JSON.stringify(run.metrics);
  return useMemo(
    () => [run?.status, run?.attempt, progress?.done, progress?.index, metrics].join(' '),
    [run?.status, run?.attempt, progress?.done, progress?.index, metrics]
  );
}

/** The end of a log stream, read each second while the run lives, the page is visible and `enabled`. */
export function useLogTail(
  run: IRun | null,
  stream: string | null,
  options: { enabled?: boolean; tailBytes?: number } = {}
): LogTail | null {
  const { client } = useAml();
  const { enabled = true, tailBytes } = options;
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  const runId = run?.id ?? null;
  const attempt = run?.attempt;
  const tail = useMemo(
    () =>
      runId === null || stream === null ? null : new LogTail(client, runId, stream, tailBytes),
    // A new attempt writes its logs anew.
    // eslint-disable-next-line react-hooks/exhaustive-deps
    [client, runId, attempt, stream, tailBytes]
  );
  const over = run !== null && isFinal(run.status);
  const connect = useCallback(() => {
    tail?.changed.connect(redraw);
    return () => {
      tail?.changed.disconnect(redraw);
    };
  }, [tail]);
  useEffect(connect, [connect]);
  useEffect(() => {
    if (tail === null || !enabled || tail.isComplete) {
      return;
    }
    if (over) {
      void readToEnd(tail);
      return;
    }
    const poll = new Poll({
      name: 'jupyter-aml:log',
      auto: true,
      factory: () => tail.advance(),
      frequency: { interval: 1000, backoff: true, max: 15_000 },
      standby: 'when-hidden'
    });
    return () => poll.dispose();
  }, [tail, enabled, over]);
  return tail;
}

async function readToEnd(tail: LogTail): Promise<void> {
  try {
    await tail.advance();
  } catch {
    // Shown by whoever draws the tail, from its `error`.
  }
}
