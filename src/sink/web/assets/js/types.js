// @ts-check
// Types of the API (`/api/v1/openapi.json`), as far as the pages read them.

/**
 * @typedef {'healthy'|'starting'|'slow'|'overloaded'|'stalled'|'recovering'|'failed'} Health
 *
 * @typedef {object} PublishedState
 * @property {number} patch
 * @property {string} state
 * @property {string} genre
 * @property {number|null} confidence
 * @property {string|null} raw_genre
 * @property {number|null} raw_confidence
 * @property {string} since
 * @property {number|null} lufs_s
 * @property {number|null} lufs_m
 * @property {number|null} true_peak_db
 * @property {'ON'|'OFF'} dead_air
 *
 * @typedef {{label: string, p: number}} LabelPosterior
 *
 * @typedef {object} Attributes
 * @property {string} ts
 * @property {LabelPosterior[]} top
 * @property {LabelPosterior[]} tags
 * @property {string|null} title
 *
 * @typedef {object} Settings
 * @property {boolean} paused
 * @property {number} hop
 * @property {{decision: {expected_piece_s: number, switch_margin: number, hold_s: number},
 *             silence: {threshold_lufs: number, after: number}}} thresholds
 *
 * @typedef {object} SourceStats
 * @property {number} produced
 * @property {number} scored
 * @property {number} dropped
 * @property {number} skipped_s
 * @property {number} xruns
 * @property {number} reconnects
 * @property {number|null} latency_ms_p50
 * @property {number|null} latency_ms_p99
 *
 * @typedef {[start: number, end: number, label: string]} RibbonSegment  Times in ms.
 *
 * @typedef {object} Source
 * @property {string} name
 * @property {string} source_name
 * @property {string} uri
 * @property {boolean} online
 * @property {PublishedState|null} state
 * @property {Attributes|null} attributes
 * @property {Health} health
 * @property {string|null} health_reason
 * @property {string|null} health_since
 * @property {string|null} last_audio
 * @property {number|null} behind_s
 * @property {RibbonSegment[]} [ribbon]
 * @property {Settings|null} settings
 * @property {SourceStats|null} stats
 * @property {string[]} [alerts]  Conditions that last: `off_format`, `talk_limit`, …
 *
 * @typedef {object} Daemon
 * @property {string} run
 * @property {string} version
 * @property {string} node
 * @property {string} started
 * @property {string} model
 * @property {string} head
 * @property {string[]} labels
 * @property {number} hop_s
 * @property {string} execution_provider
 * @property {boolean} control
 * @property {boolean} log
 * @property {{max_mb: number, max_s: number, urls: 'public'|'any'|'off'}|null} classify
 * @property {string[]} sources
 * @property {string} now
 *
 * @typedef {object} SourceEvent
 * @property {string} source
 * @property {string} run
 * @property {number} seq
 * @property {string} ts
 * @property {string} event_type
 * @property {string} [from]
 * @property {string} [to]
 * @property {number|null} [confidence]
 * @property {string} [reason]
 * @property {string} [quiet]
 * @property {number|null} [balance_db]
 * @property {number|null} [rate]
 * @property {number|null} [count]
 * @property {string|null} [clip]  Address of the recorded clip.
 *
 * @typedef {object} MelChunk
 * @property {string} source
 * @property {number} frame
 * @property {number} t
 * @property {number} frame_ms
 * @property {number} bands
 * @property {string} columns  Base64, one byte per band, low band first.
 *
 * @typedef {object} Explanation
 * @property {string} source
 * @property {string} ts
 * @property {number} patch
 * @property {LabelPosterior[]} posteriors
 * @property {boolean} weighed  True if the patch counted as evidence.
 * @property {{music: number, speech: number, noise: number}|null} gate
 * @property {{lufs_s: number, quiet_below: number, quiet_s: number, after: number}} level
 * @property {{age_s: number, fit: number|null, changing: number,
 *             states: {state: string, share: number}[]}} sound
 * @property {{held: string|null, candidate: string, against: string|null, ahead: number,
 *             needed: number, passes: boolean}|null} choice
 * @property {string|null} held
 * @property {number|null} kept_for_s
 * @property {{state: string, genre: string, confidence: number|null, since: string}} published
 * @property {string} words
 *
 * @typedef {object} HistorySegment
 * @property {string} start
 * @property {string} end
 * @property {string} state
 * @property {string} label  A genre, or the name of the state.
 * @property {number|null} confidence
 * @property {string|null} title
 * @property {{mean: number, min: number, max: number}|null} lufs
 *
 * @typedef {object} Period
 * @property {string} start
 * @property {string} end
 * @property {number} seconds
 * @property {number} coverage
 * @property {Record<string, number>} shares
 * @property {number} outage
 * @property {number} down
 * @property {number} unheard
 * @property {number} changes
 * @property {number} off_format
 * @property {{mean: number, min: number, max: number}|null} lufs
 * @property {Record<string, number>} events
 *
 * @typedef {object} History
 * @property {string} from
 * @property {string} to
 * @property {string} by
 * @property {{source: string, name: string, periods: Period[], total: Period}[]} sources
 * @property {HistorySegment[]} segments
 * @property {SourceEvent[]} events
 *
 * @typedef {object} Verdict
 * @property {string} state
 * @property {string} genre
 * @property {number|null} confidence
 * @property {Record<string, number>} scores
 *
 * @typedef {Verdict & {start: number, end: number}} Window
 */

export {};
