import { signal } from '@preact/signals';
import { keysShown } from './keys.tsx';
import { act, ask, lesson, lessons, openFiles, saveState, snapshot, source } from './store.ts';

/** The choices that stand in the header; the others are behind "more". */
const FIRST = ['mmu', 'format', 'granule', 'ias', 'walk'];

const shared = signal('');
const more = signal(false);

export function Header() {
  const now = snapshot.value;
  const choices = now?.choices ?? [];
  const open = source.value !== null;
  const shown = open ? [] : choices.filter(({ field }) => more.value || FIRST.includes(field));
  return (
    <header>
      <h1>tablewalk</h1>
      <label class="choice">
        <span>lesson</span>
        <select
          value={lesson.value?.id ?? ''}
          onChange={({ currentTarget }) => ask({ kind: 'lesson', id: currentTarget.value, step: 0 })}
        >
          <option value="">none: free play</option>
          {lessons.value.map(({ id, title }, at) => (
            <option key={id} value={id}>
              {at + 1}. {title}
            </option>
          ))}
        </select>
      </label>
      {shown.map(({ field, label, options }) => (
        <label class="choice" key={field}>
          <span>{label}</span>
          <select
            value={String(now?.settings[field] ?? '')}
            disabled={options.length < 2}
            onChange={({ currentTarget }) => act(`set ${field} ${currentTarget.value}`)}
          >
            {options.map(([value, title]) => (
              <option key={value} value={value}>
                {title}
              </option>
            ))}
          </select>
        </label>
      ))}
      <div class="buttons">
        <label class="file">
          open…
          <input
            type="file"
            multiple
            aria-label="Open a capture, the two files of a memory image, or a saved state"
            onChange={({ currentTarget }) => {
              openFiles([...(currentTarget.files ?? [])]);
              currentTarget.value = '';
            }}
          />
        </label>
        <button type="button" aria-expanded={more.value} onClick={() => (more.value = !more.value)}>
          {more.value ? 'less' : 'more'}
        </button>
        <button type="button" disabled={open} onClick={saveState}>
          save
        </button>
        <button type="button" onClick={share}>
          {shared.value === '' ? 'share' : shared.value}
        </button>
        <button type="button" aria-label="Switch between light and dark" onClick={switchTheme}>
          ◐
        </button>
        <button type="button" aria-label="Keys" onClick={() => (keysShown.value = true)}>
          ?
        </button>
      </div>
    </header>
  );
}

/** Everything is in the address of the page: it only has to be copied. */
function share(): void {
  const said = (text: string): void => {
    shared.value = text;
    setTimeout(() => {
      shared.value = '';
    }, 2000);
  };
  const { clipboard } = navigator;
  if (clipboard === undefined) said('the link is in the address bar');
  else {
    clipboard.writeText(location.href).then(
      () => said('link copied'),
      () => said('the link is in the address bar'),
    );
  }
}

function switchTheme(): void {
  const root = document.documentElement;
  const dark =
    root.dataset['theme'] === 'dark' ||
    (root.dataset['theme'] === undefined && matchMedia('(prefers-color-scheme: dark)').matches);
  root.dataset['theme'] = dark ? 'light' : 'dark';
}
