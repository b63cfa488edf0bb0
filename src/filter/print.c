// SPDX-License-Identifier: Apache-2.0
// Purpose: the filter language: tree to text, in its normal form.
#include "core/must.h"
#include "filter/filter.h"

static const char *const field_words[ON_COUNT] = {
    [ON_SPAN_ATTR] = "span.",
    [ON_RESOURCE_ATTR] = "resource.",
    [ON_ANY_ATTR] = ".",
    [ON_EVENT_ATTR] = "event.",
    [ON_LINK_ATTR] = "link.",
    [ON_SCOPE_ATTR] = "instrumentation.",
    [ON_NAME] = "name",
    [ON_STATUS] = "status",
    [ON_STATUS_MESSAGE] = "statusMessage",
    [ON_KIND] = "kind",
    [ON_DURATION] = "duration",
    [ON_TRACE_ID] = "trace:id",
    [ON_SPAN_ID] = "span:id",
    [ON_PARENT_ID] = "span:parentID",
    [ON_RPC_ID] = "span:rpcID",
    [ON_EVENT_NAME] = "event:name",
    [ON_SCOPE_NAME] = "instrumentation:name",
    [ON_SCOPE_VERSION] = "instrumentation:version",
};

static const char *const op_words[] = {
    [OP_EQ] = " = ",         [OP_NE] = " != ",       [OP_LT] = " < ",     [OP_LE] = " <= ",
    [OP_GT] = " > ",         [OP_GE] = " >= ",       [OP_MATCH] = " =~ ", [OP_NOT_MATCH] = " !~ ",
    [OP_EXISTS] = " != nil", [OP_ABSENT] = " = nil",
};

static void print_char(char c, struct buf *out)
{
    static const char from[] = "\"\\\n\t\r", to[] = "\"\\ntr";
    const char *at = c != 0 ? strchr(from, c) : NULL;
    ASSERT(sizeof from == sizeof to);
    if (at != NULL) {
        buf_add_byte(out, '\\');
        buf_add_byte(out, (uint8_t)to[at - from]);
    } else if ((unsigned char)c < 0x20 || c == 0x7F) {
        buf_printf(out, "\\u%04x", (unsigned)c);
    } else {
        buf_add_byte(out, (uint8_t)c);
    }
}

void filter_print_text(struct str s, struct buf *out)
{
    ASSERT(out != NULL);
    buf_add_byte(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        print_char(s.p[i], out);
    }
    buf_add_byte(out, '"');
}

static bool is_plain_name(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '.' || c == '_' || c == '-' || c == ':' || c == '/';
        if (!plain) {
            return false;
        }
    }
    return true;
}

static void print_test(const struct filter_node *n, struct buf *out)
{
    ASSERT(n->type == NODE_TEST);
    buf_add_str(out, str_of(field_words[n->field]));
    if (is_plain_name(n->key)) {
        buf_add_str(out, n->key);
    } else {
        filter_print_text(n->key, out);
    }
    buf_add_str(out, str_of(op_words[n->op]));
    if (n->op == OP_EXISTS || n->op == OP_ABSENT) {
        return;
    }
    if (n->value.type == VALUE_TEXT) {
        filter_print_text(n->value.text, out);
    } else {
        buf_add_str(out, n->value.text);
    }
}

// Brackets stand only around an OR inside an AND, and around what a NOT applies to.
static void print_node(const struct filter_node *n, bool inside_and, struct buf *out)
{
    bool brackets = n->type == NODE_OR && inside_and;
    if (brackets) {
        buf_add_byte(out, '(');
    }
    switch (n->type) {
    case NODE_AND:
    case NODE_OR:
        print_node(n->left, n->type == NODE_AND, out);
        buf_add_str(out, n->type == NODE_AND ? STR(" && ") : STR(" || "));
        print_node(n->right, n->type == NODE_AND, out);
        break;
    case NODE_NOT:
        buf_add_str(out, STR("!("));
        print_node(n->left, false, out);
        buf_add_byte(out, ')');
        break;
    case NODE_TEST:
        print_test(n, out);
        break;
    case NODE_ALL:
        break;
    }
    if (brackets) {
        buf_add_byte(out, ')');
    }
}

void filter_print(const struct filter *f, struct buf *out)
{
    ASSERT(f->root != NULL);
    const struct filter_node *whole = f->tree != NULL ? f->tree : f->root;
    if (whole->type == NODE_ALL) {
        buf_add_str(out, STR("{ }"));
        return;
    }
    buf_add_str(out, STR("{ "));
    print_node(whole, false, out);
    buf_add_str(out, STR(" }"));
}
