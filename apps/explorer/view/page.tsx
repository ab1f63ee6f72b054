import { useEffect } from 'preact/hooks';
import { AddressBar } from './address.tsx';
import { Header } from './header.tsx';
import { installKeys, KeyList } from './keys.tsx';
import { Actions } from './panels/actions.tsx';
import { Findings } from './panels/findings.tsx';
import { LessonPanel } from './panels/lesson.tsx';
import { Registers } from './panels/registers.tsx';
import { Capture, DropTarget, Progress } from './panels/source.tsx';
import { Time } from './panels/time.tsx';
import { busy, complaint, snapshot } from './store.ts';
import { Tables } from './tables.tsx';
import { Tlbs } from './tlb.tsx';
import { Walk } from './walk/walk.tsx';

export function Page() {
  useEffect(installKeys, []);
  const now = snapshot.value;
  return (
    <>
      <Header />
      {complaint.value !== '' && (
        <p class="complaint" role="alert">
          {complaint.value}
        </p>
      )}
      <Progress />
      {now === null ? (
        <p class="waiting">The emulator starts…</p>
      ) : (
        <main aria-busy={busy.value}>
          <Capture />
          <LessonPanel />
          <AddressBar />
          <div class="columns">
            <Tables />
            <Walk />
            <Tlbs />
          </div>
          <Time />
          <div class="below">
            <Actions />
            <Findings />
          </div>
          <Registers />
        </main>
      )}
      <KeyList />
      <DropTarget />
    </>
  );
}
