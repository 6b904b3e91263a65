/* The public table of codes (contract section 5): what each means and what to do about it. Kept as data so
 * that responses, faults, findings, the operator's tools and the manual all use the same words. The reader is the
 * engineer at the plant, not a programmer: the words name the thing to look at, and the next step. */
#include "base/mem.h"
#include "payload/finding.h"

#define NET LEVEL_NETWORK
#define COM LEVEL_COMMUNICATION
#define BUS LEVEL_BUSINESS
#define PLA LEVEL_PLATFORM
#define WARN SEVERITY_WARNING
#define SUSP SEVERITY_SUSPECT
#define ERR SEVERITY_ERROR

/* Ascending by code: code_find searches by halves. */
static const struct code_row ROWS[] = {
    {0, PLA, WARN, false, "已接收", "accepted", "", ""},
    {2, PLA, WARN, false, "部分接收，部分数据记录被拒绝", "accepted in part, some records were refused",
     "按逐条结果改正被拒绝的记录，用新的messageId补传；其余记录已入库，不必重发",
     "correct the refused records listed as findings and send them with a new messageId; the others are stored"},

    {1101, NET, ERR, false, "没有客户端证书，证书不受信任，或证书中没有唯一可用的身份代码",
     "no client certificate, an untrusted one, or one without exactly one usable identity",
     "安装平台签发的证书和私钥，检查证书主体中的统一社会信用代码（18位）或平台代码（6位）",
     "install the certificate and key issued by the platform; its subject must hold the 18-character unified social "
     "credit code or the 6-digit platform code"},
    {1102, NET, ERR, false, "证书已过期、尚未生效或已被吊销",
     "the certificate has expired, is not yet valid or was revoked", "先核对设备时钟，再向平台申请换发证书",
     "check the clock of the device first, then ask the platform for a new certificate"},
    {1103, NET, ERR, false, "证书身份无权代表该单位", "this identity may not act for that enterprise",
     "使用本单位的证书，并核对请求中的单位代码；平台只能上报本辖区内的单位",
     "use the enterprise's own certificate and check the enterpriseCode of the request; a platform may only report "
     "enterprises of its own region"},
    {1104, NET, ERR, false, "单位或端设备未接入、已暂停或已注销",
     "the enterprise or device is not admitted, suspended or retired", "联系平台管理员办理接入或恢复，办妥后原样重发",
     "ask the platform's operator for admission or reinstatement, then send again"},
    {1105, NET, ERR, false, "来源地址不在允许名单内", "the sender's address is not in the allow-list",
     "核对出口公网地址，地址变更后请平台管理员更新允许名单",
     "check the public address the device goes out with; after a change ask the operator to update the allow-list"},
    {1106, NET, ERR, true, "请求过于频繁", "too many requests",
     "按响应中的等待时间退避，并合并小包上传；稍后用同一messageId重发",
     "wait as long as Retry-After says, put more records into one upload, and send the same messageId again later"},
    {1107, NET, ERR, false, "请求超过大小上限", "the request is larger than allowed",
     "拆成几个较小的上传（每个用新的messageId），或改用gzip压缩",
     "split it into smaller uploads, each with its own messageId, or use gzip"},

    {2101, COM, ERR, false, "内容不是格式良好的XML 1.0，或不是UTF-8编码",
     "the content is not well-formed XML 1.0 in UTF-8",
     "按所指行号检查；用XML库生成报文，不要拼接字符串，并以UTF-8（不是GBK）写出",
     "look at the line given; let an XML library write the document and write it as UTF-8, not GBK"},
    {2102, COM, ERR, false, "内容中含有DTD或实体声明", "the content holds a DTD or an entity declaration",
     "去掉DOCTYPE；特殊字符用&lt;、&amp;等内置写法",
     "remove the DOCTYPE; write special characters as &lt;, &amp; and so on"},
    {2103, COM, ERR, false, "不符合接口规定的结构（schema）", "violates the schema of the interface",
     "按所指行号改正元素、属性或取值；可从服务地址加?xsd=下载schema先行校验",
     "correct the element, attribute or value at the line given; the schema can be fetched from the service address "
     "with "
     "?xsd= and checked beforehand"},
    {2104, COM, ERR, false, "摘要不一致", "the digest differs",
     "对压缩、加密之前的XML字节计算摘要，以十六进制填写；核对digestMethod",
     "compute the digest over the XML bytes before compression and encryption, as hexadecimal; check digestMethod"},
    {2105, COM, ERR, false, "无法解密", "cannot be decrypted",
     "核对密钥（重新Register取得secretKey）、加密算法，以及密文开头的IV；未开放的算法改用可用的",
     "check the key (Register again gives secretKey), the algorithm and the IV in front of the cipher text; in place "
     "of "
     "an algorithm that is not allowed use one that is"},
    {2106, COM, ERR, false, "无法解压，或超过规定的限值", "cannot be decompressed, or a limit is exceeded",
     "先压缩后加密，使用gzip格式；超限时拆成几个较小的上传",
     "compress first, then encrypt, in gzip format; over a limit split the upload"},
    {2107, COM, ERR, false, "该messageId已用于其他内容", "this messageId was already used with other content",
     "每份新内容使用新的messageId；重发时内容必须一字不差",
     "give new content a new messageId; resend only the unchanged bytes under the old one"},
    {2108, COM, WARN, false, "配置版本（regVersion）或基础信息版本（dicVersion）已过时",
     "regVersion or dicVersion is outdated", "调用CheckVersion，再下载基础信息或重新上传配置",
     "call CheckVersion, then download the base data or upload the configuration again"},
    {2109, COM, ERR, false, "deviceId不存在或不属于该单位", "unknown deviceId, or not this enterprise's",
     "重新调用Register取得deviceId并保存", "call Register again and keep the deviceId it gives"},
    {2110, COM, WARN, false, "端设备时钟偏差超过限值", "the device's clock is off by more than the limit",
     "用NTP或心跳返回的platformTime校时", "set the clock by NTP or by the platformTime of the heartbeat"},
    {2111, COM, ERR, false, "内容中的单位、设备或平台与请求不一致",
     "the payload names another enterprise, device or platform than the request",
     "检查是否误发了其他单位的文件；内容与请求中的代码必须相同",
     "check whether another enterprise's file was sent; the codes inside and outside the content must be equal"},
    {2112, COM, ERR, false, "没有此操作，或本地址不提供此操作", "no such operation, or not served here",
     "核对服务地址、命名空间和操作名（见?wsdl）", "check service address, namespace and operation name against ?wsdl"},

    {3101, BUS, ERR, false, "该单位没有配置此数据编码", "unknown data code for this enterprise",
     "先用UploadConfig配置该采集数据项，再补传数据",
     "configure the collect item with UploadConfig first, then send the reading again"},
    {3102, BUS, ERR, false, "数据编码格式错误", "malformed data code",
     "应为16位数字，或带短横的20位形式PP-UU-EEEE-CCTTTT-NN",
     "16 digits are expected, or the dashed form PP-UU-EEEE-CCTTTT-NN"},
    {3103, BUS, ERR, false, "采集范围（scope）与数据编码不符", "scope contradicts the data code",
     "1全厂：工序、单元、设备段全为零；2工序：单元、设备为零；3单元：设备为零；4设备：均不为零",
     "1 plant: process, unit and equipment zero; 2 process: unit and equipment zero; 3 unit: equipment zero; 4 "
     "equipment: "
     "none zero"},
    {3104, BUS, ERR, false, "数据编码中的某一段不在基础信息中", "a segment of the code is not in the base data",
     "下载最新基础信息，改用其中的代码，或请平台增补",
     "download the current base data and use its codes, or ask the platform to add one"},

    {3201, BUS, ERR, false, "数据值不是十进制数", "the value is not a decimal number",
     "只用数字、一个小数点和正负号；不要千分位、单位、指数或空值",
     "use digits, one point and a sign only; no thousands separators, units, exponents or blanks"},
    {3202, BUS, ERR, false, "数据值超出范围", "the value is outside its range",
     "核对仪表、倍率和计量单位；确属正常时修改配置中的上下限",
     "check meter, ratio and unit; if the value is right, change the bounds in the configuration"},
    {3203, BUS, WARN, false, "小数位数超过6位，已四舍六入五成双后保存",
     "more than 6 decimals, stored rounded half to even", "上传前按6位小数修约", "round to 6 decimals before sending"},
    {3204, BUS, SUSP, false, "数据突变，可疑", "sudden jump, suspect", "核对仪表与通讯；有误时以同一时间重传更正值",
     "check meter and line; if it is wrong send the right value for the same time"},
    {3205, BUS, SUSP, false, "数据长时间不变，可疑", "unchanged for too long, suspect",
     "检查仪表是否停走、采集是否中断", "check whether the meter stands still or the collection is stuck"},
    {3206, BUS, ERR, false, "用量或表底数为负", "negative quantity",
     "检查互感器接线、方向和差值计算；反向电量应另配数据项",
     "check the direction of the meter and how differences are computed; configure reverse flow as an item of its own"},
    {3207, BUS, SUSP, false, "表底数倒走，可疑", "the register ran backwards, suspect",
     "换表或清零后属正常；量程翻转请在配置中填写counterMax",
     "normal after a meter was changed or reset; for a rollover configure counterMax"},

    {3301, BUS, ERR, false, "数据时间（statDate）不是有效时间，或不在周期起点",
     "statDate is not a time, or not at the start of its period",
     "填写所统计时段的起始时刻，如2026-11-20 10:15:00，并与配置的周期对齐",
     "give the start of the interval, such as 2026-11-20 10:15:00, on the grid of the configured period"},
    {3302, BUS, ERR, false, "数据时间在未来", "statDate is in the future",
     "校准设备时钟并核对时区；时段开始之后才能上报",
     "set the clock and check the time zone; report a period only after it has begun"},
    {3303, BUS, ERR, false, "数据时间早于可接收的最早时间", "statDate is before the earliest accepted",
     "检查设备时钟是否被复位；最早接收2010-01-01 00:00:00",
     "check whether the clock was reset; the earliest accepted is 2010-01-01 00:00:00"},
    {3304, BUS, ERR, false, "统计类型（statType）或周期与配置不符", "the period does not match the configuration",
     "按配置的statType上报，或为该编码增加一条相应statType的采集项",
     "report with the configured statType, or configure a collect item with this statType"},

    {3401, BUS, SUSP, false, "分项之和超过总量，可疑", "the parts exceed the whole, suspect",
     "核对全厂与各工序的仪表、倍率和时间是否一致", "check that plant and process meters agree in ratio and time"},
    {3402, BUS, WARN, false, "上报的日、月、年值与平台计算值不一致",
     "the reported day, month or year value differs from the computed one",
     "核对是否漏传、重计；以实时数据为准或更正上报值",
     "look for missing or doubled readings; correct the readings or the reported value"},
    {3501, BUS, ERR, false, "配置自相矛盾", "the configuration contradicts itself",
     "按所指行号改正后，重新上传整份配置", "correct the line given and upload the whole configuration again"},

    {9101, PLA, ERR, true, "平台繁忙", "the platform is busy", "稍后用同一messageId原样重发，数据不会重复",
     "send the same messageId again later; nothing is stored twice"},
    {9102, PLA, ERR, true, "平台数据库暂不可用", "the platform's database is unavailable",
     "稍后用同一messageId原样重发，数据不会重复", "send the same messageId again later; nothing is stored twice"},
};

const struct code_row *code_table(size_t *count)
{
    *count = ARRAY_LEN(ROWS);
    return ROWS;
}

const struct code_row *code_find(int code)
{
    size_t low = 0, high = ARRAY_LEN(ROWS);
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (ROWS[middle].code == code) {
            return &ROWS[middle];
        }
        if (ROWS[middle].code < code) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}
