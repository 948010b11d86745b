import { useEffect, useRef, type ReactElement, type ReactNode } from 'react';

import type { ApiError } from '../api/errors';
import { visible } from '../text/ansi';
import { useAml } from './context';

/** What went wrong and what to do about it, in the server's words. */
export function ErrorMessage(props: { error: ApiError; onRetry?: () => void }): ReactElement {
  const { trans } = useAml();
  const { error, onRetry } = props;
  const box = useRef<HTMLDivElement>(null);
  // In a form or a long page the message may lie below what is in view.
  // Newer browsers answer with a promise, which must not be taken for the effect's end.
  useEffect(() => void box.current?.scrollIntoView?.({ block: 'nearest' }), [error]);
  const unreachable = error.code === 'unreachable';
  const message = unreachable
    ? trans.__('The Jupyter server does not answer. This page tries again by itself.')
    : visible(error.message);
  return (
    <div className="jp-aml-error" role="alert" ref={box}>
      <p className="jp-aml-error-message">{message}</p>
      {error.detail && <p className="jp-aml-error-detail">{visible(error.detail)}</p>}
      {error.hint && <p className="jp-aml-error-hint">{visible(error.hint)}</p>}
      {onRetry && (
        <button type="button" className="jp-aml-button" onClick={onRetry}>
          {trans.__('Try again')}
        </button>
      )}
    </div>
  );
}

/** A quiet line where there is nothing (yet) to show. */
export function Note({ children }: { children: ReactNode }): ReactElement {
  return <p className="jp-aml-note">{children}</p>;
}

/** Said politely to screen readers, seen by all, while something is fetched. */
export function Loading(): ReactElement {
  const { trans } = useAml();
  return (
    <p className="jp-aml-note" role="status">
      {trans.__('Loading…')}
    </p>
  );
}
