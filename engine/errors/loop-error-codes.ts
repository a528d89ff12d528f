/** The codes of what closes the loop: models, decisions and what came of them, rollouts, trainings. Part of `ERROR_CODES`. */
export const LOOP_ERROR_CODES = {
  'Evidence: labels, variants, policies and scores': {
    'invalid-label': 'What a label is made into is no value: infinite, undefined or an object.',
    'invalid-shares': 'The shares of variants are none: they are not one per variant, not negative, and 1 together.',
    'invalid-propensity': 'A decision has a propensity or probabilities that are none, or its reward is no number.',
    'invalid-expectation': 'What a model of rewards expects of an action is no number.',
    'invalid-score': 'A score that is to be evaluated is no probability.',
  },
  Models: {
    'unknown-model': 'There is no model of that name, or no such version or alias of it.',
    'unfit-model-file': 'The file of a model cannot be read, is empty, or is larger than is taken.',
    'invalid-manifest':
      'What a model is said to be trained on is no manifest of a training set, or one of another service.',
    'invalid-model-metrics': 'The metrics of a model are not one JSON object of numbers and texts.',
    'model-topic-unfit': 'The topic of models has several partitions, or loses what is on it.',
    'model-not-published': "A model's bytes did not come back from the topic as they were sent: nobody is given it.",
    'model-features-changed': 'A model was trained on features that are not served, or are served as something else.',
    'model-not-decoded': "The application's `decode` failed on a model: the one before stays.",
    'model-lost': "A model's bytes are neither on the topic nor in the archive.",
    'model-closed': 'A model is asked for, and the client was closed before it was there.',
    'no-previous-model': 'An alias of a model is to go back, and never stood for anything else.',
    'would-strand-models':
      'A version of a view lacks, or has with another meaning, what models in use were trained on.',
    'models-not-configured': 'A client is to hold a model, and was not told where models are.',
  },
  'Training of models: commands': {
    'commands-not-allowed': 'A command is to run on a worker that runs none.',
    'command-folder-outside':
      'The folder of a command, or its program, lies in none of the folders that commands may run in.',
    'command-folder-missing': 'The folder of a command is not there.',
    'command-folder-too-large': 'The folder of a command has more than is copied for a run.',
    'bad-command-variables': 'The environment that a command is to get has names that it cannot have, or is too large.',
    'command-not-started': 'The program of a command is not there, or may not be run.',
    'training-command-failed': 'The command that trains a model ended with an exit code other than 0, or by a signal.',
    'training-silent': 'The command that trains a model said nothing for too long, and was ended.',
    'training-too-long': 'The command that trains a model took longer than it may, and was ended.',
    'training-over-memory': 'The command that trains a model took more memory than it may, and was ended.',
    'training-under-way': 'A model is to be trained, and a training of it goes on.',
    'training-not-started': 'No training of a model is there to be asked or told.',
    'training-file-unreadable': 'The JSON file of a training, or of its rollout, cannot be read.',
    'training-left-no-model': 'The command that trains a model ended well and wrote no model.',
  },
  Rollouts: {
    'invalid-rollout': 'The variants of a rollout, or what it is to be moved to, are none that a rollout can have.',
    'rollout-open': 'A rollout of a model is to be started, and another of it is open.',
    'rollout-runs': 'A rollout is to be ended by hand, and its workflow runs.',
    'rollout-moved': 'The state of a rollout is not the one that was to be changed: somebody else has moved it.',
    'rollout-ended': 'A rollout is to be changed that has ended.',
    'rollout-not-held': 'A client is asked for a variant of a model whose rollout it does not hold.',
    'unknown-rollout': 'There is no rollout of that id, or no open one of that model.',
  },
  'Evaluation: what models are worth by their decisions': {
    'nothing-decided': 'In the days that are asked about nothing was decided.',
    'model-never-decided': 'The version of a model that is asked about decided nothing in these days.',
    'no-scores': 'Decisions have labels, and none has a score.',
    'label-not-scored': 'Labels are texts, which no score can be held to.',
    'unknown-segment': 'A segment names no field of the context of decisions.',
    'propensities-missing': 'No logged decision tells the chance by which its action was taken.',
    'invalid-costs': 'A file of rewards is no cost matrix.',
    'reward-missing': 'The cost matrix states no reward for an action and its label.',
    'invalid-decisions-file': 'A file of scores, or of a policy, does not say for each decision what it should.',
    'evaluation-too-large': 'More decisions are asked about than are held at once.',
  },
  'Decisions and outcomes': {
    'decisions-not-configured': 'A client is to say decisions or outcomes, and was not told where to.',
    'decisions-dropped':
      'Decisions or outcomes were given by HTTP, and none of them could be taken: the buffer is full, or the server is closing.',
    'not-said': 'Records are to be written of a source that is none of decisions or outcomes.',
    'invalid-decision':
      'A decision or an outcome breaks its contract: it is dropped and counted, and answered by HTTP with its reasons.',
  },
  'Pairs of decisions and outcomes, and what is derived onto topics': {
    'pairs-changed': 'What decides the pairs of a label set has changed since they were first made.',
    'pairs-held-full':
      'So many records of a label set are held for what they may pair with that no more are read; they go as the other side is read.',
    'outbox-full':
      'So much waits to be sent to a topic that nothing more is derived onto it; it goes on as it is sent.',
  },
} as const satisfies Readonly<Record<string, Readonly<Record<string, string>>>>;
