import { type Kysely, sql } from 'kysely';
import { CATALOG } from './names.ts';

/** Which fields of its source the features of a version were observed to read, and how the features were that a model was trained on. Of versions of before it is not known. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`ALTER TABLE ${CATALOG}.view_version ADD COLUMN observed_fields jsonb`.execute(db);
  await sql`
    CREATE TABLE ${CATALOG}.model_baseline (
      model text COLLATE "C" NOT NULL,
      version int NOT NULL,
      -- as the manifest of its training set has it
      baseline jsonb NOT NULL,
      PRIMARY KEY (model, version),
      FOREIGN KEY (model, version) REFERENCES ${CATALOG}.model_version
    )`.execute(db);
}
