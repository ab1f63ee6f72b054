import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";

/** Lints `source` as if it stood at `path`, and returns what the linter says. */
function lint(path: string, source: string): string {
	const run = spawnSync(
		process.execPath,
		[
			"node_modules/@biomejs/biome/bin/biome",
			"lint",
			`--stdin-file-path=${path}`,
		],
		{
			input: source,
			encoding: "utf8",
		},
	);
	return run.stdout + run.stderr;
}

const importing = (path: string): string =>
	`import { something } from '${path}';\nexport const used = something;\n`;

describe("the lint rule for the floors", () => {
	it.each([
		["formats/a.ts", "../emulator/index.ts"],
		["formats/lpae/a.ts", "../../traces/index.ts"],
		["emulator/a.ts", "../devices/index.ts"],
		["emulator/mmu/a.ts", "../../apps/cli/main.ts"],
		["devices/smmuv3/a.ts", "../../traces/index.ts"],
		["traces/a.ts", "../apps/cli/main.ts"],
		["apps/cli/a.ts", "../../test/house/floors.test.ts"],
	])("refuses that %s imports upwards from %s", (file, target) => {
		expect(lint(file, importing(target))).toContain("noRestrictedImports");
	});

	it.each([
		["emulator/a.ts", "../formats/lpae/table.ts"],
		["devices/smmuv3/a.ts", "../../emulator/mmu/tlb.ts"],
		["traces/a.ts", "../devices/smmuv3/device.ts"],
		["apps/cli/a.ts", "../../traces/replay.ts"],
	])("refuses that %s reaches past a face to %s", (file, target) => {
		expect(lint(file, importing(target))).toContain("noRestrictedImports");
	});

	it.each([
		["emulator/a.ts", "../formats/index.ts"],
		["devices/smmuv3/a.ts", "../../emulator/index.ts"],
		["traces/a.ts", "../devices/index.ts"],
		["apps/cli/a.ts", "../../traces/index.ts"],
		["emulator/mmu/a.ts", "./regime.ts"],
	])("lets %s import %s", (file, target) => {
		expect(lint(file, importing(target))).not.toContain("noRestrictedImports");
	});

	it.each(["formats/a.ts", "emulator/a.ts", "devices/a.ts"])(
		"keeps Node built-ins out of %s",
		(file) => {
			expect(lint(file, importing("node:fs"))).toContain("noNodejsModules");
		},
	);
});
