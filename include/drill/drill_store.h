/* Proofs of drills, to and from the repository (repository/drill_record.h). */
#ifndef DRILL_DRILL_STORE_H
#define DRILL_DRILL_STORE_H

#include "drill/drill_proof.h"
#include "drill/drill_report.h"
#include "repository/drill_record.h"

/* A file that belongs to a proof: a report of it, or evidence. */
struct drill_file {
    const char *path; /* its last part is its name in the proof */
};

/* Stores the proof, with the SHA-256 of each file (member "files"). A file that is not there is
 * left out. */
MUST_CHECK bool drill_store_put(const struct repository *repository,
                                const struct drill_proof *proof, const struct drill_file *files,
                                size_t file_count, struct error *err);

/* Gives *out (drill_proof_release). */
MUST_CHECK bool drill_store_get(const struct repository *repository,
                                const struct drill_record *record, struct drill_proof *out,
                                struct error *err);

/* The newest `most` proofs that were made before this time, oldest first; unreadable ones are
 * logged and left out. Gives *out (drill_proofs_free). */
MUST_CHECK bool drill_store_history(const struct repository *repository,
                                    const struct drill_list *list, int64_t before_us, size_t most,
                                    struct drill_proof **out, size_t *out_count, struct error *err);
void drill_proofs_free(struct drill_proof *proofs, size_t count);

#endif
