/** What tells a filter in the search grammar from a plain word: a comparison. */
const GRAMMAR = /[=<>]|\s(?:i?like|in|is)\s/i;

/** The filter for what was typed: as it stands when it is one, else runs whose name contains the words. */
export function toFilter(typed: string): string {
  const text = typed.trim();
  if (text === '' || GRAMMAR.test(text)) {
    return text;
  }
  return `attributes.run_name ILIKE '%${text.replace(/'/g, "''")}%'`;
}
