/** `tablewalk check --list-bugs`: every bug that can be planted, where, and what it is found by. */
import { findsOf, MMUS, PLANTED_BUGS, type PlantedBug, whyNotPlanted } from '../../../../devices/index.ts';

/** An MMU with the driver and the table format that it has where nothing else is asked for. */
const GROUNDS = Object.values(MMUS).map(({ name, drivers, formats }) => ({
  mmu: name,
  driver: drivers[0] ?? '',
  format: formats[0] ?? 'arm-64-lpae-s1',
}));

type Ground = (typeof GROUNDS)[number];

/** What is known of a bug on each MMU: the findings that must appear, or why it changes nothing. */
function onEach(bug: PlantedBug) {
  return Object.fromEntries(
    GROUNDS.map((ground) => {
      const refused = whyNotPlanted(bug, ground);
      return [ground.mmu, refused === null ? { finds: findsOf(bug, ground.mmu, ground.driver) } : { refused }];
    }),
  );
}

/** The catalogue as plain JSON. */
export function bugList() {
  return (PLANTED_BUGS as readonly PlantedBug[]).map((bug) => {
    const { name, field, floor, value, about, needs = [] } = bug;
    return { name, field, floor, value, about, needs, mmus: onEach(bug) };
  });
}

/** The catalogue for people: a block for each floor, a line for each bug, and under it what it is found by. */
export function bugListText(): string {
  const bugs: readonly PlantedBug[] = PLANTED_BUGS;
  const lines: string[] = [];
  let floor = '';
  for (const bug of bugs) {
    if (bug.floor !== floor) {
      floor = bug.floor;
      lines.push('', floor);
    }
    lines.push(`  ${bug.name.padEnd(21)}${bug.about}`, `  ${''.padEnd(21)}found as ${foundAs(bug)}`);
  }
  lines.push(
    '',
    `${bugs.length} bugs; ${GROUNDS.map((ground) => `${ground.mmu} can have ${countOn(ground)}`).join(', ')}.`,
  );
  return `${lines.slice(1).join('\n')}\n`;
}

function countOn(ground: Ground): number {
  return (PLANTED_BUGS as readonly PlantedBug[]).filter((bug) => whyNotPlanted(bug, ground) === null).length;
}

/** The kinds of findings, then the MMUs that see it otherwise or cannot have it. */
function foundAs(bug: PlantedBug): string {
  const usual = bug.finds.join(', ');
  const others: string[] = [];
  const absent: string[] = [];
  for (const ground of GROUNDS) {
    const finds = findsOf(bug, ground.mmu, ground.driver).join(', ');
    if (whyNotPlanted(bug, ground) !== null) absent.push(ground.mmu);
    else if (finds !== usual) others.push(`${finds} on ${ground.mmu}`);
  }
  if (absent.length > 0) others.push(`not on ${absent.join(', ')}`);
  return [usual, ...others].join('; ');
}
