import { act, snapshot } from '../store.ts';
import { addressText } from '../words.ts';

/** What the sanitizer has found. */
export function Findings() {
  const now = snapshot.value;
  if (now === null) return null;
  return (
    <section class="findings" aria-labelledby="findings-title">
      <h2 id="findings-title">Findings</h2>
      {now.story.length > 0 && (
        <ol class="plain story">
          {now.story.map(({ cycles, what }, at) => (
            <li key={`${at} ${what}`}>
              <span class="mono note">{cycles.toLocaleString('en')}</span> {what}
            </li>
          ))}
        </ol>
      )}
      {now.findings.length === 0 && now.story.length === 0 && (
        <p class="note">
          Nothing is wrong. Plant a bug, or break a table by hand, and what hardware would only show as corruption
          stands here.
        </p>
      )}
      <ul class="plain">
        {now.findings.toReversed().map(({ kind, meaning, detail, iova }, at) => (
          <li key={`${at} ${kind}`} class="finding">
            <b>{kind}</b> {meaning}.{' '}
            <button type="button" class="link mono" onClick={() => act(`address ${iova}`)}>
              {addressText(iova)}
            </button>
            <p class="note">{detail}</p>
          </li>
        ))}
      </ul>
    </section>
  );
}
