import { child, children, type Node } from './syntax.ts';

/** One small change of a source text. */
export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
  /** What is changed into what, for people: `a < b → a <= b`. */
  readonly label: string;
}

/** What each operator becomes, one mutant each: the other side of a boundary, the opposite, the inverse. */
const OPERATORS: Readonly<Record<string, readonly string[]>> = {
  '<': ['<=', '>='],
  '<=': ['<', '>'],
  '>': ['>=', '<='],
  '>=': ['>', '<'],
  '===': ['!=='],
  '!==': ['==='],
  '+': ['-'],
  '-': ['+'],
  '*': ['/'],
  '/': ['*'],
  '%': ['*'],
  '**': ['*'],
  '&': ['|'],
  '|': ['&'],
  '^': ['&'],
  '<<': ['>>'],
  '>>': ['<<'],
  '>>>': ['<<', '>>'],
  '&&': ['||'],
  '||': ['&&'],
  '+=': ['-='],
  '-=': ['+='],
  '*=': ['/='],
  '/=': ['*='],
  '&=': ['|='],
  '|=': ['&='],
  '^=': ['&='],
  '<<=': ['>>='],
  '>>>=': ['<<='],
  '++': ['--'],
  '--': ['++'],
};

/** Methods that have a counterpart. */
const METHODS: Readonly<Record<string, string>> = {
  min: 'max',
  max: 'min',
  floor: 'ceil',
  ceil: 'floor',
  every: 'some',
  some: 'every',
};

const LOOPS = new Set(['WhileStatement', 'DoWhileStatement', 'ForStatement']);
const FUNCTIONS = new Set(['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression']);

/**
 * Every change that the operators make of a program. Left alone: types, strings (they are for people or name things), and what a `throw`
 * throws; the `throw` itself can be dropped.
 */
export function edits(tree: Node, source: string): Edit[] {
  const found: Edit[] = [];
  const short = (text: string): string => {
    const line = text.replace(/\s+/g, ' ');
    return line.length <= 70 ? line : `${line.slice(0, 67)}...`;
  };
  const change = (node: Node, start: number, end: number, text: string): void => {
    const before = source.slice(node.start, node.end);
    const after = source.slice(node.start, start) + text + source.slice(end, node.end);
    found.push({ start, end, text, label: `${short(before)} → ${short(after) || 'nothing'}` });
  };
  const replace = (node: Node, text: string): void => change(node, node.start, node.end, text);
  const textOf = (node: Node): string => source.slice(node.start, node.end);

  const operator = (node: Node, from: number, to: number): void => {
    const sign = String(node['operator']);
    const at = source.indexOf(sign, from);
    if (at < 0 || at >= to) return;
    for (const other of OPERATORS[sign] ?? []) change(node, at, at + sign.length, other);
  };

  const condition = (test: Node | undefined, values: readonly string[]): void => {
    if (test === undefined || test.type === 'Literal') return;
    for (const value of values) replace(test, value);
  };

  const number = (node: Node): void => {
    const value = node['value'];
    if (typeof value === 'bigint') {
      replace(node, `${value + 1n}n`);
      if (value > 0n) replace(node, `${value - 1n}n`);
    } else if (typeof value === 'number') {
      for (const other of Number.isInteger(value) ? [value + 1, value - 1] : [value * 2]) {
        replace(node, other < 0 ? `(${other})` : String(other));
      }
    } else if (typeof value === 'boolean') replace(node, String(!value));
  };

  const unary = (node: Node, argument: Node): void => {
    const sign = node['operator'];
    if (sign === '!' || sign === '~' || (sign === '-' && argument.type !== 'Literal')) replace(node, textOf(argument));
  };

  const visit = (node: Node): void => {
    const left = child(node, 'left');
    const right = child(node, 'right');
    const argument = child(node, 'argument');
    switch (node.type) {
      case 'BinaryExpression':
      case 'LogicalExpression':
        if (left === undefined || right === undefined) break;
        operator(node, left.end, right.start);
        if (node['operator'] === '??') replace(node, textOf(right));
        // Without `>>> 0` a word is a signed one.
        if (node['operator'] === '>>>' && textOf(right) === '0') replace(node, textOf(left));
        break;
      case 'AssignmentExpression':
        if (left !== undefined && right !== undefined) operator(node, left.end, right.start);
        break;
      case 'UpdateExpression':
        operator(node, node.start, node.end);
        break;
      case 'UnaryExpression':
        if (argument !== undefined) unary(node, argument);
        break;
      case 'Literal':
        number(node);
        break;
      case 'IfStatement':
      case 'ConditionalExpression':
        condition(child(node, 'test'), ['true', 'false']);
        break;
      case 'CallExpression': {
        const name = child(child(node, 'callee') ?? node, 'property');
        const other = name === undefined ? undefined : METHODS[textOf(name)];
        if (name !== undefined && other !== undefined) change(node, name.start, name.end, other);
        break;
      }
      case 'ExpressionStatement':
        // A directive or a bare `super()` cannot go.
        if (typeof node['directive'] !== 'string' && !textOf(node).startsWith('super(')) replace(node, ';');
        break;
      case 'BreakStatement':
      case 'ContinueStatement':
        replace(node, ';');
        break;
      case 'ThrowStatement':
        replace(node, ';');
        return;
    }
    if (LOOPS.has(node.type)) condition(child(node, 'test'), ['false']);
    const other = child(node, 'alternate');
    if (node.type === 'IfStatement' && other !== undefined) replace(other, '{}');
    const body = child(node, 'body');
    if (FUNCTIONS.has(node.type) && body?.type === 'BlockStatement' && !/\breturn\s+\S|\bsuper\(/.test(textOf(body))) {
      if (Array.isArray(body['body']) && body['body'].length > 1) replace(body, '{}');
    }
    const key = node['computed'] === false ? (child(node, 'key') ?? child(node, 'property')) : undefined;
    for (const one of children(node)) if (one !== key && node.type !== 'ImportDeclaration') visit(one);
  };
  visit(tree);
  return found;
}
