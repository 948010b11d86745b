import { list, record, string } from '../api/decode';

/** An output of a stored notebook's cell, as text or as a PNG. */
export interface INotebookOutput {
  text: string;
  png: Uint8Array<ArrayBuffer> | null;
  isError: boolean;
}

export interface INotebookCell {
  type: string;
  source: string;
  count: number | null;
  outputs: INotebookOutput[];
}

const PNG = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const JPEG = [0xff, 0xd8, 0xff];

/** The image type the bytes themselves show; the name of a file says nothing. */
export function imageType(bytes: ArrayBuffer): 'image/png' | 'image/jpeg' | null {
  const head = new Uint8Array(bytes, 0, Math.min(8, bytes.byteLength));
  if (PNG.every((byte, index) => head[index] === byte)) {
    return 'image/png';
  }
  return JPEG.every((byte, index) => head[index] === byte) ? 'image/jpeg' : null;
}

/** The bytes as text; null when they are none. */
export function readText(bytes: ArrayBuffer): string | null {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return text.includes('\0') ? null : text;
  } catch {
    return null;
  }
}

/** The cells of a notebook; null when the text is no notebook of format 4. */
export function readNotebook(text: string): INotebookCell[] | null {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return null;
  }
  const notebook = record(parsed);
  if (notebook === null || notebook.nbformat !== 4 || !Array.isArray(notebook.cells)) {
    return null;
  }
  return list(notebook.cells).map(readCell);
}

function readCell(value: unknown): INotebookCell {
  const cell = record(value) ?? {};
  const count = cell.execution_count;
  return {
    type: string(cell.cell_type) ?? 'raw',
    source: multiline(cell.source),
    count: typeof count === 'number' ? count : null,
    outputs: list(cell.outputs).map(readOutput)
  };
}

function readOutput(value: unknown): INotebookOutput {
  const output = record(value) ?? {};
  if (output.output_type === 'error') {
    const traceback = list(output.traceback).map(line => string(line) ?? '');
    return { text: traceback.join('\n'), png: null, isError: true };
  }
  const data = record(output.data);
  const text = output.output_type === 'stream' ? output.text : data?.['text/plain'];
  return { text: multiline(text), png: decodeBase64(data?.['image/png']), isError: false };
}

function multiline(value: unknown): string {
  return (
    string(value) ??
    list(value)
      .map(line => string(line) ?? '')
      .join('')
  );
}

/** The bytes of a base64 text, when they are a PNG. */
export function decodeBase64(value: unknown): Uint8Array<ArrayBuffer> | null {
  try {
    const bytes = Uint8Array.from(atob(multiline(value)), part => part.charCodeAt(0));
    return imageType(bytes.buffer) === 'image/png' ? bytes : null;
  } catch {
    return null;
  }
}
