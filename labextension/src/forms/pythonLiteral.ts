import type { Json } from '../api/types';

/**
 * Read the Python literals that JSON has a form for: numbers, plain strings, True, False, None, lists, tuples and
 * dicts with string keys. Anything else (names, calls, f-strings...) is undefined. Nothing is ever evaluated.
 */
export function parsePythonLiteral(source: string): Json | undefined {
  const parser = new Parser(source);
  try {
    return parser.all();
  } catch (thrown) {
    if (thrown instanceof NotALiteral) {
      return undefined;
    }
    throw thrown;
  }
}

class NotALiteral extends Error {}

const NUMBER = /[+-]?(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?/y;
const STRING = /'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)"/y;
const WORD = /[A-Za-z_]\w*/y;
const SPACE = /(?:\s|#[^\n]*)*/y;
const ESCAPES: Record<string, string> = {
  n: '\n',
  t: '\t',
  r: '\r',
  '\\': '\\',
  "'": "'",
  '"': '"'
};
/** Deeper nesting than this is not a parameter anybody types into a form. */
const MAX_DEPTH = 50;

class Parser {
  constructor(private readonly _source: string) {}

  all(): Json {
    const value = this._value(0);
    this._take(SPACE);
    if (this._at !== this._source.length) {
      throw new NotALiteral();
    }
    return value;
  }

  private _value(depth: number): Json {
    this._take(SPACE);
    const next = this._source[this._at] ?? '';
    if (depth > MAX_DEPTH) {
      throw new NotALiteral();
    }
    if (next === '[' || next === '(') {
      return this._sequence(next === '[' ? ']' : ')', depth);
    }
    if (next === '{') {
      return this._dict(depth);
    }
    if (next === "'" || next === '"') {
      return this._string();
    }
    return /[A-Za-z_]/.test(next) ? this._word() : this._number();
  }

  private _sequence(close: string, depth: number): Json {
    const items: Json[] = [];
    let commas = 0;
    this._at += 1;
    while (!this._accept(close)) {
      items.push(this._value(depth + 1));
      if (!this._accept(',')) {
        this._expect(close);
        break;
      }
      commas += 1;
    }
    // (1) is the number, (1,) the tuple.
    return close === ')' && items.length === 1 && commas === 0 ? (items[0] ?? null) : items;
  }

  private _dict(depth: number): Json {
    const items: [string, Json][] = [];
    this._at += 1;
    while (!this._accept('}')) {
      this._take(SPACE);
      const key = this._string();
      this._expect(':');
      items.push([key, this._value(depth + 1)]);
      if (!this._accept(',')) {
        this._expect('}');
        break;
      }
    }
    return Object.fromEntries(items);
  }

  private _string(): string {
    const match = this._take(STRING);
    const body = match?.[1] ?? match?.[2];
    const isTriple = body === '' && /['"]/.test(this._source[this._at] ?? '');
    if (body === undefined || isTriple) {
      throw new NotALiteral();
    }
    return body.replace(/\\([^])/g, (_, character: string) => {
      const value = ESCAPES[character];
      if (value === undefined) {
        throw new NotALiteral();
      }
      return value;
    });
  }

  private _word(): Json {
    const word = this._take(WORD)?.[0];
    if (word === 'True' || word === 'False') {
      return word === 'True';
    }
    if (word === 'None') {
      return null;
    }
    throw new NotALiteral();
  }

  private _number(): number {
    const text = this._take(NUMBER)?.[0];
    const value = text === undefined ? NaN : Number(text.replace(/_/g, ''));
    if (!Number.isFinite(value)) {
      throw new NotALiteral();
    }
    return value;
  }

  private _accept(character: string): boolean {
    this._take(SPACE);
    if (this._source[this._at] !== character) {
      return false;
    }
    this._at += 1;
    return true;
  }

  private _expect(character: string): void {
    if (!this._accept(character)) {
      throw new NotALiteral();
    }
  }

  private _take(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this._at;
    const match = pattern.exec(this._source);
    this._at += match?.[0].length ?? 0;
    return match;
  }

  private _at = 0;
}
