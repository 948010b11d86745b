import { Clipboard } from '@jupyterlab/apputils';
import { useEffect, useState, type ReactElement } from 'react';

import { useAml } from '../ui/context';

/** Copies a text and says so for a moment. */
export function CopyButton({ text, label }: { text: string; label: string }): ReactElement {
  const { trans } = useAml();
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (copied) {
      const timer = window.setTimeout(() => setCopied(false), 1500);
      return () => window.clearTimeout(timer);
    }
    return undefined;
  }, [copied]);
  const copy = (): void => {
    Clipboard.copyToSystem(text);
    setCopied(true);
  };
  return (
    <button type="button" className="jp-aml-button" onClick={copy} aria-live="polite">
      {copied ? trans.__('Copied') : label}
    </button>
  );
}
