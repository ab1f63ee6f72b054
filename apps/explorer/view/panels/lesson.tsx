import { act, ask, lesson } from '../store.ts';

/** The step of the lesson: what to read, what to do, whether it is done. */
export function LessonPanel() {
  const now = lesson.value;
  if (now === null) return null;
  const { id, title, step, steps, text, task, question, answer, reached } = now;
  const go = (to: number): void => ask({ kind: 'lesson', id, step: to });
  return (
    <section class="lesson" aria-labelledby="lesson-title">
      <div class="line">
        <h2 id="lesson-title">{title}</h2>
        <span class="note">
          {step + 1} of {steps}
        </span>
        <button type="button" class="quiet" onClick={() => ask({ kind: 'lesson', id: '', step: 0 })}>
          leave the lesson
        </button>
      </div>
      {text.split('\n\n').map((paragraph) => (
        <p key={paragraph}>{paragraph}</p>
      ))}
      <p class={reached ? 'task done' : 'task'} aria-live="polite">
        <b>{reached ? 'Done: ' : 'To do: '}</b>
        {task}
      </p>
      {question !== '' && (
        <form
          class="line"
          onSubmit={(event) => {
            event.preventDefault();
            const field = event.currentTarget.elements.namedItem('answer');
            if (field instanceof HTMLInputElement) act(`answer ${field.value}`);
          }}
        >
          <label class="choice">
            <span>{question}</span>
            <input name="answer" class="mono short" autocomplete="off" key={`${id} ${step}`} />
          </label>
          <button type="submit">answer</button>
          {answer !== '' && !reached && <span class="bad">not {answer}</span>}
        </form>
      )}
      <div class="line">
        <button type="button" disabled={step === 0} onClick={() => go(step - 1)}>
          back
        </button>
        <button type="button" class={reached ? 'main' : ''} disabled={step + 1 >= steps} onClick={() => go(step + 1)}>
          {reached ? 'next' : 'skip'}
        </button>
        <button type="button" class="quiet" disabled={reached} onClick={() => ask({ kind: 'show' })}>
          show me
        </button>
        <button type="button" class="quiet" onClick={() => ask({ kind: 'reset' })}>
          begin the step again
        </button>
      </div>
    </section>
  );
}
