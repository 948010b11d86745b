import type { Terminal } from '@jupyterlab/services';
import type { ISignal } from '@lumino/signaling';

/** How long a new terminal may take to connect. */
const PATIENCE_MS = 20_000;

/** Type `line` into the widget that Lab's `terminal:create-new` gave, once it is connected. */
export async function typeInto(widget: unknown, line: string): Promise<void> {
  const session = sessionOf(widget);
  if (session === null) {
    return;
  }
  await connected(session);
  session.send({ type: 'stdin', content: [line] });
}

type Session = Pick<Terminal.ITerminalConnection, 'send' | 'connectionStatus'> & {
  connectionStatusChanged: ISignal<unknown, Terminal.ConnectionStatus>;
};

function sessionOf(widget: unknown): Session | null {
  const content = (widget as { content?: { session?: Session } } | undefined)?.content;
  return content?.session ?? null;
}

function connected(session: Session): Promise<void> {
  if (session.connectionStatus === 'connected') {
    return Promise.resolve();
  }
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => finish(reject), PATIENCE_MS);
    const onChange = (_: unknown, status: Terminal.ConnectionStatus): void => {
      if (status === 'connected') {
        finish(resolve);
      }
    };
    const finish = (end: () => void): void => {
      clearTimeout(timer);
      session.connectionStatusChanged.disconnect(onChange);
      end();
    };
    session.connectionStatusChanged.connect(onChange);
  });
}
