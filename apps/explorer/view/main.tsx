import { render } from 'preact';
import { Page } from './page.tsx';
import { start } from './store.ts';

render(<Page />, document.getElementById('page') as HTMLElement);
start();
