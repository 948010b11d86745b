import type { ReactElement, ReactNode } from 'react';

import { visible } from '../text/ansi';
import { Note } from './messages';

export interface IFact {
  name: string;
  value: ReactNode;
}

/** Names and values side by side, under a heading. Names chosen by users are drawn as they are, as text. */
export function FactTable(props: {
  title: string;
  facts: IFact[];
  empty?: string;
}): ReactElement | null {
  const { title, facts, empty } = props;
  if (facts.length === 0 && empty === undefined) {
    return null;
  }
  return (
    <section className="jp-aml-facts">
      <h3>{title}</h3>
      {facts.length === 0 ? (
        <Note>{empty}</Note>
      ) : (
        <table>
          <tbody>
            {facts.map(({ name, value }) => (
              <tr key={name}>
                <th scope="row">
                  <bdi>{visible(name)}</bdi>
                </th>
                <td>{typeof value === 'string' ? <bdi>{visible(value)}</bdi> : value}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

/** The facts of a map, in the order of their names. */
export function factsOf(map: Record<string, string>): IFact[] {
  return Object.entries(map)
    .map(([name, value]) => ({ name, value }))
    .sort((a, b) => a.name.localeCompare(b.name));
}
