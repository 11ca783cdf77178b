const LONGEST = 500;

// Control characters, and the format characters that turn text around (bidi) or hide in it (zero width).
const UNSEEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Cn}\p{Zl}\p{Zp}]/gu;

/** Nearly all names are made of these alone, and thousands of them are looked at. */
const PLAIN = /^[ -~]*$/;

/**
 * Text from the server so that what is read is what is there: whoever may create a pod chooses names and
 * can put characters into them that reverse, hide or overflow what stands around them.
 */
export function visibleText(text: string, longest = LONGEST): string {
  if (text.length <= longest && PLAIN.test(text)) return text;
  const cut = text.length > longest ? `${text.slice(0, longest)}…` : text;
  return cut.replace(/[\t\n\r]+/g, " ").replace(UNSEEN, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return `\\u{${code.toString(16)}}`;
  });
}
