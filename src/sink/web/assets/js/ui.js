// @ts-check
// The vendored libraries with their published types. Every module imports them from here.
import htm from '../vendor/htm.js';
import * as preact from '../vendor/preact.js';
import * as hooks from '../vendor/preact-hooks.js';
import * as signals from '../vendor/signals.js';

const typedPreact = /** @type {typeof import('preact')} */ (/** @type {unknown} */ (preact));
const typedHooks = /** @type {typeof import('preact/hooks')} */ (/** @type {unknown} */ (hooks));
const typedSignals = /** @type {typeof import('@preact/signals')} */ (
  /** @type {unknown} */ (signals)
);

export const { h, render, Fragment } = typedPreact;
export const { useEffect, useLayoutEffect, useMemo, useRef, useState } = typedHooks;
export const {
  signal,
  computed,
  effect,
  batch,
  useSignal,
  useComputed,
  useSignalEffect,
  untracked,
} = typedSignals;

/** Tagged template that makes virtual nodes: html`<p class=${name}>…</p>`. */
export const html = /** @type {(parts: TemplateStringsArray, ...values: any[]) => any} */ (
  /** @type {any} */ (htm).bind(h)
);
