// Texts from outside, with what cannot be seen as marks: U+202E would turn a text around, U+200B hides.

// Joiners stay between what they join: in emoji, Arabic and the scripts of India.
const JOINED = String.raw`[\p{Extended_Pictographic}\p{Emoji_Modifier}\uFE0F\p{Script=Arabic}\p{Script=Devanagari}\p{Script=Bengali}\p{Script=Tamil}\p{Script=Telugu}\p{Script=Malayalam}\p{Script=Sinhala}]`;
const UNSEEN = new RegExp(
  String.raw`(?!(?<=${JOINED})[\u200C\u200D](?=${JOINED}))(?!(?<=\p{Emoji})[\uFE0E\uFE0F])[\p{Cc}\p{Co}\p{Cs}\p{Default_Ignorable_Code_Point}\u2028\u2029\u2800\uFFF9-\uFFFB]`, "gu");
const BREAKS = new Set(["\n", "\t", "\r"]);

/** U+202E of a character. */
const name = (character) => `U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;

/** The text with ⟦U+202E⟧ for each character that cannot be seen; line breaks and tabs stay. */
export const visible = (text) => text.replace(UNSEEN, (found) => (BREAKS.has(found) ? found : `⟦${name(found)}⟧`));

/** In one line. */
export const oneLine = (text) => visible(text).replace(/\s+/g, " ").trim();
