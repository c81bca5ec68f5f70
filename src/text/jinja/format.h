// Texts filled in as Python does it. Internal to text/.
#pragma once

#include "text/jinja/library.h"

namespace ingot::jinja {

// "{} {name:>5}".format(...)
Str format_braces(Host& host, const Str& text, const Arguments& args);
// "%s %(name)5d" % values; `named` is the dictionary that %(name) looks in.
Str format_percent(Host& host, const Str& text, const Values& values, const Value& named);

}  // namespace ingot::jinja
