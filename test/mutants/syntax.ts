import { parseAst } from 'rolldown/parseAst';

/** A node of the syntax tree (ESTree with TypeScript's types); offsets count UTF-16 units of the source text. */
export interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [field: string]: unknown;
}

export function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && 'start' in value;
}

/** A field that holds a node. */
export function child(node: Node, field: string): Node | undefined {
  const value = node[field];
  return isNode(value) ? value : undefined;
}

/** Only their expression is there when the program runs. */
const TYPED_EXPRESSIONS = new Set([
  'TSAsExpression',
  'TSSatisfiesExpression',
  'TSNonNullExpression',
  'TSTypeAssertion',
]);

/** The children that are there when the program runs: no types. */
export function children(node: Node): Node[] {
  if (TYPED_EXPRESSIONS.has(node.type)) return [child(node, 'expression')].filter((one) => one !== undefined);
  const found: Node[] = [];
  for (const value of Object.values(node)) {
    for (const one of Array.isArray(value) ? (value as unknown[]) : [value]) {
      if (isNode(one) && (!one.type.startsWith('TS') || TYPED_EXPRESSIONS.has(one.type))) found.push(one);
    }
  }
  return found;
}

export function parse(source: string): Node {
  const program: unknown = parseAst(source, { lang: 'ts', sourceType: 'module' });
  if (!isNode(program)) throw new TypeError('the parser gave no tree');
  return program;
}

/**
 * Offsets behind the `{` of every block (or the `:` of every case) that runs as a whole, outermost first. A mutant can only be seen by a
 * test that enters its block.
 */
export function blocks(tree: Node, source: string): { readonly at: number; readonly end: number }[] {
  const found: { at: number; end: number }[] = [];
  const visit = (node: Node): void => {
    if (node.type === 'BlockStatement') found.push({ at: node.start + 1, end: node.end });
    if (node.type === 'SwitchCase') {
      const before = child(node, 'test')?.end ?? node.start;
      found.push({ at: source.indexOf(':', before) + 1, end: node.end });
    }
    for (const one of children(node)) visit(one);
  };
  visit(tree);
  return found;
}

/** The source, noting in `globalThis.blocksEntered` at `first + n` that block `n` was entered. */
export function noting(source: string, first: number): string {
  let out = '';
  let from = 0;
  const all = blocks(parse(source), source).map(({ at }, index) => ({ at, index }));
  for (const { at, index } of all.sort((a, b) => a.at - b.at)) {
    out += `${source.slice(from, at)}globalThis.blocksEntered[${first + index}]=1;`;
    from = at;
  }
  return out + source.slice(from);
}
