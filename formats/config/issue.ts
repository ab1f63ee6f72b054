import type * as v from 'valibot';

const WORDS: Readonly<Record<string, string>> = {
  Object: 'an object',
  Array: 'a list',
  number: 'a number',
  string: 'text',
  boolean: 'true or false',
};

/** What the rule that an issue broke allows, as a phrase for a `ConfigError`. */
export function allowedBy(issue: v.BaseIssue<unknown>): string {
  const requirement = String(issue.requirement);
  switch (issue.type) {
    case 'min_value':
      return `at least ${requirement}`;
    case 'max_value':
      return `at most ${requirement}`;
    case 'integer':
    case 'safe_integer':
      return 'a whole number';
    case 'finite':
      return 'a finite number';
    case 'multiple_of':
      return `a multiple of ${requirement}`;
    case 'min_length':
      return requirement === '1' ? 'anything but nothing' : `a length of at least ${requirement}`;
    case 'check':
      return issue.message;
    default: {
      // A list of literals reads `("4k" | "16k")` in valibot's words.
      const words = (issue.expected ?? issue.message)
        .replace(/^\((.*)\)$/, '$1')
        .replaceAll(' | ', ', ')
        .replaceAll('"', '');
      return WORDS[words] ?? words;
    }
  }
}
