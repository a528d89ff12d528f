/** What a label set takes it for that nothing came of a decision, as tables say it. */
export function absenceText(absent: 0 | null | 'leave-out'): string {
  return absent === 'leave-out' ? 'left out' : String(absent);
}
