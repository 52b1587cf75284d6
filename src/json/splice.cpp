#include "tollgate/json/splice.hpp"

#include <algorithm>

#include "tollgate/json/writer.hpp"

namespace tollgate::json {

void Splicer::reset(std::string_view original) {
  original_ = original;
  text_.clear();
  edits_.clear();
  inserted_bytes_ = 0;
  removed_bytes_ = 0;
}

void Splicer::trim(std::size_t keep_bytes) noexcept {
  reset({});
  if (text_.capacity() > keep_bytes) std::string().swap(text_);
  if (edits_.capacity() > keep_bytes / sizeof(Edit)) std::vector<Edit>().swap(edits_);
}

void Splicer::set_text(Edit& edit, std::string_view a, std::string_view b, std::string_view c) {
  // A replaced edit leaves its old text in the arena: edits are few and repeated rarely.
  inserted_bytes_ -= edit.text_size;
  edit.text_begin = static_cast<std::uint32_t>(text_.size());
  edit.text_size = static_cast<std::uint32_t>(a.size() + b.size() + c.size());
  text_.append(a).append(b).append(c);
  inserted_bytes_ += edit.text_size;
}

bool Splicer::replace(std::uint32_t begin, std::uint32_t end, std::string_view replacement) {
  if (begin >= end || end > original_.size()) return false;
  const auto after =
      std::lower_bound(edits_.begin(), edits_.end(), begin,
                       [](const Edit& edit, std::uint32_t offset) { return edit.end <= offset; });
  // `after` is the first edit that ends behind `begin`. Insertions at `begin` end there too, and
  // stand before this edit, as do those at `end` after it.
  if (after != edits_.end() && after->begin == begin && after->end == end) {
    set_text(*after, replacement);
    return true;
  }
  if (after != edits_.end() && after->begin < end) return false;
  Edit edit{begin, end, 0, 0};
  set_text(edit, replacement);
  removed_bytes_ += end - begin;
  edits_.insert(after, edit);
  return true;
}

bool Splicer::insert_member(NodeRef object, std::string_view key, std::string_view json) {
  if (!object.is_object() || object.end_offset() > original_.size()) return false;
  const std::uint32_t place = object.end_offset() - 1;
  const std::string quoted_key = quote(key);
  // Insertions at one place come one after the other; the first needs a comma only if the object
  // has members.
  bool has_comma = object.size() > 0;
  auto edit =
      std::lower_bound(edits_.begin(), edits_.end(), place,
                       [](const Edit& other, std::uint32_t offset) { return other.end < offset; });
  for (; edit != edits_.end() && edit->begin <= place; ++edit) {
    if (edit->begin < edit->end) {
      if (edit->end > place) return false;  // the object itself is being replaced
      continue;
    }
    has_comma = true;
    const std::string_view old = text_of(*edit).substr(edit->has_comma ? 1 : 0);
    if (edit->key_size == quoted_key.size() && old.substr(0, edit->key_size) == quoted_key) {
      set_text(*edit, edit->has_comma ? "," + quoted_key : quoted_key, ":", json);
      return true;
    }
  }
  Edit added{place, place, 0, 0, static_cast<std::uint32_t>(quoted_key.size()), has_comma};
  set_text(added, has_comma ? "," + quoted_key : quoted_key, ":", json);
  edits_.insert(edit, added);
  return true;
}

void Splicer::append_pieces(std::vector<std::string_view>& out) const {
  std::uint32_t done = 0;
  for (const Edit& edit : edits_) {
    if (edit.begin > done) out.push_back(original_.substr(done, edit.begin - done));
    if (edit.text_size > 0) out.push_back(text_of(edit));
    done = edit.end;
  }
  if (done < original_.size()) out.push_back(original_.substr(done));
}

void Splicer::append_to(std::string& out) const {
  out.reserve(out.size() + size());
  std::uint32_t done = 0;
  for (const Edit& edit : edits_) {
    out.append(original_.substr(done, edit.begin - done));
    out.append(text_of(edit));
    done = edit.end;
  }
  out.append(original_.substr(done));
}

std::string Splicer::str() const {
  std::string out;
  append_to(out);
  return out;
}

}  // namespace tollgate::json
