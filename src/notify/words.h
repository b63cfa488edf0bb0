// SPDX-License-Identifier: Apache-2.0
// Purpose: the words of cards and messages, in every language that a channel may have.
#ifndef SONDE_NOTIFY_WORDS_H
#define SONDE_NOTIFY_WORDS_H

#include "notify/channel.h"

// Name, English, Chinese. The first three are in the order of enum notice_status, the next four in
// that of enum notice_level.
#define WORD_LIST(X)                                                                               \
    X(FIRING, "Firing", "告警")                                                                    \
    X(RESOLVED, "Resolved", "已恢复")                                                              \
    X(TEST, "Test", "测试")                                                                        \
    X(INFO, "info", "提示")                                                                        \
    X(WARNING, "warning", "警告")                                                                  \
    X(ERROR, "error", "错误")                                                                      \
    X(CRITICAL, "critical", "严重")                                                                \
    X(REPEAT, "sent again", "重复发送")                                                            \
    X(SERVICE, "Service", "服务")                                                                  \
    X(ENVIRONMENT, "Environment", "环境")                                                          \
    X(INSTANCE, "Instance", "实例")                                                                \
    X(ADDRESS, "Address", "地址")                                                                  \
    X(MEASURE, "Value", "当前值")                                                                  \
    X(PROCESS_CPU, "Process CPU, share of the host", "进程占主机 CPU")                             \
    X(HOST_CPU, "Host CPU", "主机 CPU")                                                            \
    X(EVENT_TIME, "Since", "发生时间")                                                             \
    X(FIRED_TIME, "Alerted", "告警时间")                                                           \
    X(ENTRIES, "Affected entries", "受影响入口")                                                   \
    X(MORE, "More alerts of this incident", "同一事件的其他告警")                                  \
    X(SUSPECT, "First suspect", "疑似根因")                                                        \
    X(REMEDY, "Usual remedy", "处理建议")                                                          \
    X(TRACES, "Traces", "调用链")                                                                  \
    X(NOTE, "Note", "说明")                                                                        \
    X(TEST_NOTE, "This is a test of the channel. Nothing is wrong.",                               \
      "这是一条通道测试消息，没有异常。")                                                          \
    X(OPEN_INCIDENT, "Open the incident", "查看事件")                                              \
    X(OPEN_SNAPSHOT, "Open the snapshot", "查看快照")                                              \
    X(SENT_BY, "Sent by Sonde, channel", "由 Sonde 发送，通道")

enum word {
#define WORD_ENUM(name, en, zh) WORD_##name,
    WORD_LIST(WORD_ENUM)
#undef WORD_ENUM
        WORD_COUNT
};

// Static storage; any thread.
struct str word_of(enum word w, enum language l);

#endif
