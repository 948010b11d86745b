/** A piece of a log and the classes it is drawn with (Jupyter's own `ansi-*` names). */
export interface ISegment {
  text: string;
  className: string;
}

const COLORS = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'];
/**
 * Terminal sequences: strings for the terminal (OSC, DCS, ... with links and clipboard writes), control sequences
 * (CSI), and the short ones. An unfinished string is taken to the end of its line.
 */
const STRING_SEQUENCE =
  /(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c|(?=\n)|$)?/g;
const CSI = /(?:\x1b\[|\x9b)([0-9:;<=>?]*)[ -/]*([@-~]?)/g;
const SHORT_SEQUENCE = /\x1b[ -/]*[0-~]?/g;

/** Text as a terminal would leave it, without any sequence and without what a carriage return overwrote. */
export function stripAnsi(text: string): string {
  return segments(text)
    .map(segment => segment.text)
    .join('');
}

/** Split text at its colour changes; every other sequence is dropped, none is obeyed. */
export function segments(raw: string): ISegment[] {
  const text = overwriteLines(raw.replace(STRING_SEQUENCE, ''));
  const result: ISegment[] = [];
  const style = new Style();
  let from = 0;
  for (const match of text.matchAll(CSI)) {
    push(result, text.slice(from, match.index), style.className);
    if (match[2] === 'm') {
      style.apply(match[1] ?? '');
    }
    from = match.index + match[0].length;
  }
  push(result, text.slice(from), style.className);
  return result;
}

/** Show what would change the look of the text around it (bidi controls, NUL...) as an escape. */
export function visible(text: string): string {
  return text.replace(
    /[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g,
    character => `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`
  );
}

function overwriteLines(text: string): string {
  if (!text.includes('\r')) {
    return text;
  }
  const lines = text.replace(/\r+\n/g, '\n').split('\n');
  return lines.map(line => line.slice(line.replace(/\r+$/, '').lastIndexOf('\r') + 1)).join('\n');
}

function push(into: ISegment[], text: string, className: string): void {
  const shown = visible(text.replace(SHORT_SEQUENCE, '').replace(/\r/g, ''));
  if (shown !== '') {
    into.push({ text: shown, className });
  }
}

/** The look in force: foreground, background, bold, underline, as numbers of SGR codes. */
class Style {
  get className(): string {
    return [this._fg, this._bg, this._bold, this._underline].filter(name => name !== '').join(' ');
  }

  apply(parameters: string): void {
    const codes = parameters.split(/[;:]/).map(code => Number(code || 0));
    for (let index = 0; index < codes.length; index++) {
      const code = codes[index] ?? 0;
      if (code === 38 || code === 48) {
        // Colours beyond the sixteen: their arguments are skipped, the colour is not drawn.
        index += codes[index + 1] === 5 ? 2 : 4;
      } else {
        this._applyOne(code);
      }
    }
  }

  private _applyOne(code: number): void {
    if (code === 0) {
      this._fg = this._bg = this._bold = this._underline = '';
    } else if (code === 1) {
      this._bold = 'ansi-bold';
    } else if (code === 22) {
      this._bold = '';
    } else if (code === 4) {
      this._underline = 'ansi-underline';
    } else if (code === 24) {
      this._underline = '';
    } else if (code >= 30 && code <= 39) {
      this._fg = code === 39 ? '' : `ansi-${COLORS[code - 30]}-fg`;
    } else if (code >= 90 && code <= 97) {
      this._fg = `ansi-${COLORS[code - 90]}-intense-fg`;
    } else if (code >= 40 && code <= 49) {
      this._bg = code === 49 ? '' : `ansi-${COLORS[code - 40]}-bg`;
    } else if (code >= 100 && code <= 107) {
      this._bg = `ansi-${COLORS[code - 100]}-intense-bg`;
    }
  }

  private _fg = '';
  private _bg = '';
  private _bold = '';
  private _underline = '';
}
