const MAX_LENGTH = 500;

// Control characters, and the format characters that turn text around (bidi) or hide in it (zero width).
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Cn}\p{Zl}\p{Zp}]/gu;

/** Nearly all names fit this, and it is faster. */
const PLAIN = /^[ -~]*$/;

/** Return text whose characters are all visible: invisible ones can reverse, hide or overflow the text around them. */
export function visibleText(text: string, maxLength = MAX_LENGTH): string {
  if (text.length <= maxLength && PLAIN.test(text)) return text;
  const cut = text.length > maxLength ? `${text.slice(0, maxLength)}…` : text;
  return cut.replace(/[\t\n\r]+/g, " ").replace(INVISIBLE, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return `\\u{${code.toString(16)}}`;
  });
}
