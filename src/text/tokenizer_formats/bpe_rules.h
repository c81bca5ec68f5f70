// The merges of BPE vocabularies, from the forms in which files store them. Internal to text/.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "text/tokenizer_formats/tokenizer_json.h"
#include "text/tokenizer_pipeline/bpe_merger.h"
#include "text/tokenizer_pipeline/tokenizer_parts.h"

namespace ingot {

// Whether symbols of this BPE are single bytes: its one ByteLevel pre-tokenizer comes last, and
// nothing marks the ends of words.
bool is_json_byte_level(const TokenizerJson& json);
// Error{kUnsupported} for what no BPE here does.
void check_json_bpe(const TokenizerJson& json);

// A model's "merges": a list of "left right" or of ["left", "right"]. `prefix` is the part of a
// token inside of a word that joining drops ("##"). Error{kCorrupt} for parts that are no tokens.
std::vector<MergeRule> read_json_merges(const TokenizerJson& json, const TokenizerParts& parts,
                                        std::string_view prefix);

// Lines "left right", best first.
std::vector<MergeRule> read_merge_lines(const std::vector<std::string>& lines,
                                        const TokenizerParts& parts);

// Vocabularies that join any two neighbours whose union is a token, best first: every split of
// every token into two symbols is a rule, ranked by `ranks` (one a token, lower first; tokens of
// equal rank are joined from the left). `find` gives the id of a symbol or -1. Error{kUnsupported}
// for tokens so long that their splits would take minutes.
std::vector<MergeRule> find_merges(const TokenizerParts& parts, std::span<const std::string> tokens,
                                   std::span<const uint32_t> ranks,
                                   FunctionRef<int32_t(std::string_view)> find);

// Ranks for find_merges(): highest score first, equal scores share a rank.
std::vector<uint32_t> ranks_of_scores(std::span<const double> scores);

}  // namespace ingot
