import type { SearchAttributeUpdatePair } from '@temporalio/common';
import { boundedPage } from './bounded.ts';
import { setCurrentDetails, upsertSearchAttributes, workflowInfo } from '@temporalio/workflow';

const PASSED_SHOWN = 12;

/** The last phases and when they began, newest last. */
export type Passed<Phase> = readonly { readonly phase: Phase; readonly atMs: number }[];

/** A workflow's pure part: what it is, and how it shows. */
export interface Machine<State extends { readonly passed: Passed<Phase> }, Event, Phase extends string> {
  readonly transition: (state: State, event: Event) => State;
  readonly phaseOf: (state: State) => Phase;
  readonly renderPage: (state: State) => string;
  /** In groups: one is set when any of its values changes. */
  readonly attributesOf: (state: State, phase: Phase) => readonly (readonly SearchAttributeUpdatePair[])[];
}

/**
 * Holds a workflow's state. Every change of it goes through `apply`, so that the page and the search attributes always say what is
 * so. A run that was continued inherits the attributes: what is null from the start is not set.
 */
export abstract class StateRunner<State extends { readonly passed: Passed<Phase> }, Event, Phase extends string> {
  readonly #machine: Machine<State, Event, Phase>;
  readonly #maxHistoryEvents: number | null;
  readonly #shown: string[] = [];
  #state: State;

  constructor(machine: Machine<State, Event, Phase>, state: State, maxHistoryEvents: number | null) {
    this.#machine = machine;
    this.#maxHistoryEvents = maxHistoryEvents;
    this.#state = state;
    this.#show();
  }

  get state(): State {
    return this.#state;
  }

  /** Takes an event in and shows what came of it. */
  apply(event: Event): void {
    this.#state = this.#machine.transition(this.#state, event);
    this.#show();
  }

  /** True when this run's history is long enough to go on in a new one. */
  carryOnDue(): boolean {
    const { continueAsNewSuggested, targetWorkerDeploymentVersionChanged, historyLength } = workflowInfo();
    return (
      continueAsNewSuggested ||
      targetWorkerDeploymentVersionChanged ||
      (this.#maxHistoryEvents !== null && historyLength >= this.#maxHistoryEvents)
    );
  }

  #show(): void {
    const { phaseOf, renderPage, attributesOf } = this.#machine;
    const phase = phaseOf(this.#state);
    const { passed } = this.#state;
    if (passed.at(-1)?.phase !== phase) {
      this.#state = { ...this.#state, passed: [...passed, { phase, atMs: Date.now() }].slice(-PASSED_SHOWN) };
    }
    setCurrentDetails(boundedPage(renderPage(this.#state)));
    for (const [index, group] of attributesOf(this.#state, phase).entries()) {
      const values = group.map(({ value }) => value);
      const text = JSON.stringify(values);
      if (text === (this.#shown[index] ?? JSON.stringify(values.map(() => null)))) continue;
      this.#shown[index] = text;
      upsertSearchAttributes([...group]);
    }
  }
}
