#pragma once

#include <ostream>

namespace hire_snn::parity {

/// Runs the multi-step engine from several threads at once, each with a team of its own size asked for: some on a network of
/// their own, some on one that they share, some of them stopped in the middle. Every result has to have the bits that one
/// thread alone computes. Meant to be compiled with ThreadSanitizer, which ends the program at a race.
///
/// @returns whether all had
bool run_on_threads(std::ostream& out);

}  // namespace hire_snn::parity
