const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Text for HTML, between tags and within quoted attributes. Control characters, which HTML has no way to write, become U+FFFD. */
export function escapeHtml(text: string): string {
  return text
    .replace(/(?![\t\n])\p{Cc}/gu, "\ufffd")
    .replace(/[&<>"']/g, (character) => entities[character] as string);
}

/** JSON for a script element: nothing in it can end the element or begin a comment, and JSON.parse reads it as it was. */
export function scriptJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
