import { describe, expect, it } from 'vitest';
import { type DriverEvent, isEventList, RegisterPlayer } from '../../../../traces/conformance/drivers/index.ts';

const halves = new Uint32Array(2);

/** The message of the divergence that `perform` ends in, or null. */
function differs(events: readonly DriverEvent[], perform: (player: RegisterPlayer) => void): string | null {
  const player = new RegisterPlayer();
  try {
    player.play(events, () => perform(player));
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

describe('RegisterPlayer', () => {
  it('answers reads with what was recorded, and takes the writes that were recorded', () => {
    const events: DriverEvent[] = [
      ['r32', '0x28', '0x1', 2, 10],
      ['r32', '0x28', '0x0'],
      ['w64', '0x10', '0xfffffffff404ff44'],
      ['r64', '0x60', '0x8000000000000001'],
      ['udelay', 5],
    ];
    const read: number[] = [];
    const found = differs(events, (player) => {
      for (let i = 0; i < 2; i++) {
        read.push(player.read32(0x28));
        player.delay(10);
      }
      read.push(player.read32(0x28));
      player.write64(0x10, 0xf404ff44, 0xffffffff);
      player.read64(0x60, halves);
      player.delay(5);
    });
    expect(found).toBeNull();
    expect(read).toEqual([1, 1, 0]);
    expect([...halves]).toEqual([1, 0x80000000]);
  });

  it('lets the value of a run of writes grow, and wrap at its width', () => {
    const run: DriverEvent[] = [
      ['w32', '0x4', '0xfffff000', 2, 4096],
      ['w64', '0x8', '0xffffffff', 2, 1],
    ];
    const found = differs(run, (player) => {
      player.write32(4, 0xfffff000);
      player.write32(4, 0);
      player.write64(8, 0xffffffff, 0);
      player.write64(8, 0, 1);
    });
    expect(found).toBeNull();
  });

  const REFUSED: readonly [what: string, events: DriverEvent[], perform: (player: RegisterPlayer) => void, RegExp][] = [
    [
      'another offset',
      [['r32', '0x28', '0x1']],
      (p) => p.read32(0x2c),
      /^event 0: expected r32 0x28 0x1, found r32 0x2c$/,
    ],
    [
      'another value',
      [['w32', '0x18', '0x2']],
      (p) => p.write32(0x18, 4),
      /expected w32 0x18 0x2, found w32 0x18 0x4$/,
    ],
    ['a write for a read', [['r32', '0x18', '0x2']], (p) => p.write32(0x18, 2), /found w32 0x18 0x2$/],
    [
      'a delay left out',
      [['r32', '0x28', '0x1', 2, 10]],
      (p) => {
        p.read32(0x28);
        p.read32(0x28);
      },
      /expected udelay 10 of/,
    ],
    [
      'a delay of another length',
      [['r32', '0x28', '0x1', 1, 10]],
      (p) => {
        p.read32(0x28);
        p.delay(1);
      },
      /found udelay 1$/,
    ],
    ['one read too few', [['r32', '0x28', '0x1', 3]], (p) => p.read32(0x28), /, number 2, found nothing more$/],
    ['one read too many', [], (p) => p.read32(0x28), /expected nothing more, found r32 0x28$/],
    [
      'a step too large',
      [['w32', '0x4', '0x1', 3, 1]],
      (p) => {
        p.write32(4, 1);
        p.write32(4, 3);
      },
      /number 2, found w32 0x4 0x3/,
    ],
    [
      'another named event',
      [['unmap', '0x1000']],
      (p) => p.expect('map', 0x1000),
      /expected unmap 0x1000, found map 0x1000$/,
    ],
    [
      'a field too many',
      [['step_map', { va: '0x1' }]],
      (p) => p.expect('step_map', { va: 1, range: 2 }),
      /found step_map/,
    ],
    ['a message of another level', [['log', 'err', 'x']], (p) => p.log('warn'), /expected log err x, found log warn$/],
    ['a warning left out', [['warn', 'f', 'c']], () => {}, /expected warn f c, found nothing more$/],
  ];
  for (const [what, events, perform, message] of REFUSED) {
    it(`names ${what}`, () => expect(differs(events, perform)).toMatch(message));
  }

  it('compares named events field by field, numbers with hexadecimal strings', () => {
    const step = { va: '0x1000', range: '0x2000', bo: 1, keep: false };
    const found = differs(
      [
        ['step_remap', { prev: null, unmap: step }],
        ['map', '0xffffffffffffffff', -12],
      ],
      (player) => {
        player.expect('step_remap', { prev: null, unmap: { va: 0x1000, range: 0x2000, bo: 1, keep: false } });
        player.expect('map', 2n ** 64n - 1n, -12);
      },
    );
    expect(found).toBeNull();
  });

  it('answers a question with the recorded values behind the known ones', () => {
    const player = new RegisterPlayer();
    const answer = player.play([['fault_handler', '0x1000', 1, -11]], () => player.take('fault_handler', 0x1000, 1));
    expect(answer).toEqual([-11]);
  });

  it('passes over the kinds it is told to', () => {
    const player = new RegisterPlayer({ skip: ['log'] });
    player.play(
      [
        ['log', 'info', 'a'],
        ['w32', '0x0', '0x1'],
        ['log', 'info', 'b'],
      ],
      () => player.write32(0, 1),
    );
    expect(player.nextKind).toBe('');
  });

  it('lets a warning correspond to what it is told', () => {
    const player = new RegisterPlayer({ agrees: (recorded, code) => recorded === 'f: !x' && code === 'no-x' });
    player.play([['warn', 'f', '!x']], () => player.warn('no-x'));
    expect(() => player.play([['warn', 'f', '!y']], () => player.warn('no-x'))).toThrow('found warn no-x');
  });
});

describe('isEventList', () => {
  it('takes register events of each form, delays, and any named event', () => {
    const list = [
      ['r32', '0x0', '0x1'],
      ['r64', '0x8', '0x123456789abcdef0', 2, 5],
      ['w32', '0x0', '0x1', 9, 4096],
      ['udelay', 3],
      ['x'],
    ];
    expect(isEventList(list)).toBe(true);
  });

  const WRONG: readonly unknown[] = [
    null,
    [1],
    [[]],
    [['r32', '0x0']],
    [['r32', 0, '0x1']],
    [['r32', '0x0', '0x100000000']],
    [['w32', '0x0', '0xG']],
    [['w32', '0x0', '0x1', 4]],
    [['r32', '0x0', '0x1', 0]],
    [['r32', '0x0', '0x1', 2 ** 40]],
    [['r32', '0x0', '0x1', 1, -1]],
    [['udelay']],
    [['udelay', 'x']],
    [['r32', '0x100000000', '0x1']],
  ];
  for (const value of WRONG) it(`refuses ${JSON.stringify(value)}`, () => expect(isEventList(value)).toBe(false));
});
