import { cleanup, configure } from '@testing-library/react';
import { afterEach } from 'vitest';

// What jsdom lacks and JupyterLab, uPlot or the virtual list ask for when loaded.
class DragEventStub extends MouseEvent {}

class ResizeObserverStub {
  observe(): void {}
  unobserve(): void {}
  disconnect(): void {}
}

/** Everything is in view. */
class IntersectionObserverStub {
  constructor(private readonly _callback: (entries: { isIntersecting: boolean }[]) => void) {}
  observe(): void {
    this._callback([{ isIntersecting: true }]);
  }
  disconnect(): void {}
}

Object.assign(globalThis, { IntersectionObserver: IntersectionObserverStub });
Object.assign(globalThis, { DragEvent: DragEventStub, ResizeObserver: ResizeObserverStub });
window.matchMedia = (query: string) =>
  ({
    matches: false,
    media: query,
    addListener: () => undefined,
    removeListener: () => undefined,
    addEventListener: () => undefined,
    removeEventListener: () => undefined
  }) as unknown as MediaQueryList;
// A page 300 by 600 pixels in size: the virtual list draws what fits.
Object.defineProperties(HTMLElement.prototype, {
  offsetHeight: { configurable: true, get: () => 600 },
  offsetWidth: { configurable: true, get: () => 300 }
});
window.requestIdleCallback = callback => window.setTimeout(callback, 0);
window.cancelIdleCallback = handle => window.clearTimeout(handle);
Element.prototype.scrollTo = () => undefined;
// As the newest browsers do.
Object.assign(Element.prototype, { scrollIntoView: () => Promise.resolve() });
URL.createObjectURL = () => 'blob:test';
URL.revokeObjectURL = () => undefined;

// Lab's dialogs are `dialog` elements shown by its style sheet, which is not loaded here.
configure({ defaultHidden: true });

afterEach(cleanup);
