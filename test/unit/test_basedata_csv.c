#include "unit.h"

#include <string.h>

#include "base/mem.h"
#include "cli/basedata_csv.h"

static struct basedata_entries entries;

static struct result read_list(const char *list, const char *option, const char *text, size_t len)
{
    buf_free(&entries.json);
    const struct basedata_list *l = basedata_list(list);
    ck_assert_ptr_nonnull(l);
    return basedata_csv_read(l, option, text, len, &entries);
}

static void release(void)
{
    buf_free(&entries.json);
}

#define READ(list, text) read_list(list, NULL, text, strlen(text))
#define EXPECT(list_, text_, json_)                                                                                    \
    do {                                                                                                               \
        struct result r_ = READ(list_, text_);                                                                         \
        ck_assert_msg(result_ok(r_), "%s", r_.text);                                                                   \
        ck_assert_str_eq(buf_str(&entries.json), json_);                                                               \
    } while (0)

START_TEST(byte_order_mark_quotes_crlf_and_empty_lines_are_tolerated)
{
    EXPECT("product",
           "\xEF\xBB\xBF"
           "code,name\r\n\"1\",\"a \"\"b\"\", c\"\r\n\r\n2,\"two\r\nlines\"",
           "[\n{\"code\":\"1\",\"name\":\"a \\\"b\\\", c\"},\n{\"code\":\"2\",\"name\":\"two\\r\\nlines\"}\n]");
    ck_assert_uint_eq(entries.count, 2);
    release();
}
END_TEST

START_TEST(columns_of_published_tables_find_their_place)
{
    EXPECT("region", "code,name,level,parent,kind,source,note\n110101,东城区,county,110100,official,MCA,\n",
           "[\n{\"code\":\"110101\",\"name\":\"东城区\",\"parent_code\":\"110100\"}\n]");
    EXPECT("process",
           "industry_code,process_code,process_name_zh,certainty,seen_in\n(any),00,全厂,H,A\nC25,01,炼油,M,B\n",
           "[\n{\"code\":\"00\",\"name\":\"全厂\",\"industry_code\":\"\"},"
           "\n{\"code\":\"01\",\"name\":\"炼油\",\"industry_code\":\"C25\"}\n]");
    EXPECT("energy_type",
           "class_code,class_name,code,name_zh,parent_code,usual_unit,tce_coef_default,tce_coef_min,tce_coef_max\n"
           "01,一次能源,0100,原煤,,吨,0.7143,,\n01,一次能源,0102,无烟煤,0100,吨,0.9428,,\n01/"
           "02,综合,0000,综合能耗,,吨标准煤,1,,\n",
           "[\n{\"code\":\"0100\",\"name\":\"原煤\",\"parent_code\":\"01\",\"unit\":\"吨\",\"coal_factor\":0.7143,"
           "\"coal_factor_min\":null,\"coal_factor_max\":null},"
           "\n{\"code\":\"0102\",\"name\":\"无烟煤\",\"parent_code\":\"0100\",\"unit\":\"吨\",\"coal_factor\":0.9428,"
           "\"coal_factor_min\":null,\"coal_factor_max\":null},"
           "\n{\"code\":\"0000\",\"name\":\"综合能耗\",\"parent_code\":\"\",\"unit\":\"吨标准煤\",\"coal_factor\":1,"
           "\"coal_factor_min\":null,\"coal_factor_max\":null}\n]");
    release();
}
END_TEST

START_TEST(rows_of_other_enumerations_are_left_aside)
{
    EXPECT("stat_type", "enumeration,code,name_zh\nstatType,0,实时\nscope,1,全厂\nstatType,1,日\n",
           "[\n{\"code\":\"0\",\"name\":\"实时\"},\n{\"code\":\"1\",\"name\":\"日\"}\n]");
    ck_assert_uint_eq(entries.left_aside, 1);
    release();
}
END_TEST

/* Natural gas: 1.1 to 1.33 kgce/m³ is 11 to 13.3 tce per 10^4 m³; kinds of raw coal lie under 01. */
START_TEST(coal_factors_become_those_of_energy_types_in_their_units)
{
    EXPECT("coal_factor",
           "id,kind,stat_code,name_zh,unit,kgce_min,kgce_max,stat_unit,tce_per_stat_unit\n"
           "natural_gas,energy,15,天然气,m3,1.1,1.33,10^4 m3,12.15\nlignite,energy,05,褐煤,kg,,,t,0.4286\n"
           "methanol,energy,,甲醇,kg,,,t,0.6794\nfresh_water,working_medium,,新水,t,,,t,0.000257\n"
           "biofuel,energy,36,生物燃料,kgce,,,tce,1\n",
           "[\n{\"code\":\"1500\",\"coal_factor\":12.15,\"coal_factor_min\":11,\"coal_factor_max\":13.3},"
           "\n{\"code\":\"0105\",\"coal_factor\":0.4286,\"coal_factor_min\":null,\"coal_factor_max\":null}\n]");
    ck_assert_uint_eq(entries.left_aside, 3);
    release();
}
END_TEST

START_TEST(co2_factors_are_those_of_one_rule_set)
{
    static const char TEXT[] = "id,kind,ruleset,stat_code,unit,tco2_per_unit\na,fuel,GBT_32151,19,t,2.92506\n"
                               "b,fuel,NDRC_OTHER,19,t,2.9\nc,electricity,MEE,33,MWh,0.57\nd,fuel,GBT_32151,19,t,3\n";
    EXPECT("co2_factor", TEXT, "[\n{\"code\":\"1900\",\"co2_factor\":2.92506}\n]");
    ck_assert(result_ok(read_list("co2_factor", "NDRC_OTHER", TEXT, strlen(TEXT))));
    ck_assert_str_eq(buf_str(&entries.json), "[\n{\"code\":\"1900\",\"co2_factor\":2.9}\n]");
    release();
}
END_TEST

START_TEST(working_substances_are_counted_in_tce)
{
    EXPECT("working_substance", "code,name_zh,unit,coef_2020_kgce\n0100,新水,t,0.2571\n",
           "[\n{\"code\":\"0100\",\"name\":\"新水\",\"unit\":\"t\",\"coal_factor\":0.000257}\n]");
    EXPECT("working_substance", "code,name,coal_factor\n0100,新水,0.2571\n",
           "[\n{\"code\":\"0100\",\"name\":\"新水\",\"coal_factor\":0.2571}\n]");
    release();
}
END_TEST

START_TEST(working_media_without_a_national_code_get_a_local_one_by_their_name)
{
    EXPECT("working_substance",
           "code,name_zh,name_en,unit,coef_2020_kgce,coef_2008_kgce,certainty,note\n,新水,fresh "
           "water,t,0.2571,0.0857,K,not "
           "found\n,氮气(做主产品时),nitrogen,m3,0.6714,0.6714,K,\n0300,氧气,oxygen,m3,0.4,0.4,K,\n",
           "[\n{\"code\":\"9001\",\"name\":\"新水\",\"unit\":\"t\",\"coal_factor\":0.000257},"
           "\n{\"code\":\"9008\",\"name\":\"氮气(做主产品时)\",\"unit\":\"m3\",\"coal_factor\":0.000671},"
           "\n{\"code\":\"0300\",\"name\":\"氧气\",\"unit\":\"m3\",\"coal_factor\":0.0004}\n]");
    EXPECT("working_substance",
           "id,parent_id,kind,stat_code,name_zh,unit,kgce_per_unit,kgce_min\ncoal,,energy,01,原煤,kg,0.7143,\n"
           "nitrogen_main,,working_medium,,氮气（做主产品时）,m3,0.6714,\n",
           "[\n{\"code\":\"9008\",\"name\":\"氮气（做主产品时）\",\"unit\":\"m3\",\"coal_factor\":0.000671}\n]");
    ck_assert_uint_eq(entries.left_aside, 1);
    struct result r = READ("working_substance", "code,name_zh,unit\n,某种气体,m3\n");
    ck_assert(r.kind == ERR_SENDER && strstr(r.text, "the code is empty"));
    release();
}
END_TEST

/* The header of each published table with a row of it: all of them find their list. */
START_TEST(every_published_table_finds_its_list)
{
    static const struct {
        const char *list, *text, *has;
    } FILES[] = {
        {"region", "code,name,level,parent,kind,source,note\n420100,武汉市,city,420000,official,MCA,\n", "420000"},
        {"industry", "code,name,level,parent,section,digits,source\nC2611,无机酸制造,class,C261,C,2611,GB\n", "C261"},
        {"industry", "code,name_zh,parent_code,jgzh\nA,农、林、牧、渔业,0,false\n", "\"parent_code\":\"\""},
        {"collect_class", "code,name_zh,meaning_en,sub_code_table,certainty,seen_in\n01,一次能源,p,e,H,A\n",
         "一次能源"},
        {"data_usage", "code,name_zh,certainty,evidence\n10,购进,M,\"example, with a comma\"\n", "购进"},
        {"consumption_level", "code,range_tce_per_year,certainty,seen_in\n1,\"< 5,000\",H,B\n", "\\u003c 5,000"},
        {"enterprise_type", "code,name_zh,parent_code,certainty,seen_in\n110,国有企业,100,M,A\n", "\"100\""},
        {"stat_type",
         "enumeration,code,name_zh,meaning_en,certainty,seen_in\nstatType,0,实时,r,H,A\nscope,1,全厂,w,H,A\n", "实时"},
        {"scope", "enumeration,code,name_zh,meaning_en,certainty,seen_in\nstatType,0,实时,r,H,A\nscope,1,全厂,w,H,A\n",
         "全厂"},
        {"field", "code,name_zh,certainty,seen_in\n100,工业,H,B\n", "工业"},
        {"input_type", "code,name_zh,name_en,certainty,seen_in\n1,管理信息系统,m,H,A\n", "管理信息系统"},
        {"meter_type", "code,name_zh,parent_code,certainty,seen_in\n12041000,指示轨道衡,12040000,M,A\n", "12040000"},
        {"process", "industry_code,process_code,process_name_zh,certainty,seen_in\nC25,01,炼油,M,B\n", "C25"},
    };
    for (size_t i = 0; i < ARRAY_LEN(FILES); i++) {
        struct result r = READ(FILES[i].list, FILES[i].text);
        ck_assert_msg(result_ok(r) && entries.count == 1, "%s: %s", FILES[i].list, r.text);
        ck_assert_msg(strstr(buf_str(&entries.json), FILES[i].has) != NULL, "%s", buf_str(&entries.json));
    }
    release();
}
END_TEST

START_TEST(errors_name_the_line_and_give_nothing)
{
    static const struct {
        const char *text, *line;
    } ROWS[] = {
        {"", "line 1"},
        {"a,b\n1,2\n", "line 1"},
        {"code,name,name\n1,2,3\n", "line 1"},
        {"code,name\n", "line 2"},
        {"code,name\n1\n", "line 2"},
        {"code,name\n1,a,b\n", "line 2"},
        {"code,name\n1,a\n\n1,b\n", "line 4"},
        {"code,name\n1,\"a\nb\"\n2,\n", "line 4"},
        {"code,name\n,a\n", "line 2"},
        {"code,name\n1 2,a\n", "line 2"},
        {"code,name\n1,\"a\n", "line 2"},
        {"code,name\n1,\"a\"b\n", "line 2"},
        {"code,name\n1,a\"b\n", "line 2"},
        {"code,name\n1,a\n2,\xB8\xD6\n", "line 3"},
        {"code,name,coal_factor\n1,a,1e3\n", "line 2"},
        {"code,name,coal_factor\n1,a,-1\n", "line 2"},
        {"code,name,precision\n1,a,9\n", "line 2"},
        {"code,name\n123456789012345678901234567890123,a\n", "line 2"},
    };
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        struct result r = READ("product", ROWS[i].text);
        ck_assert_msg(r.kind == ERR_SENDER && strstr(r.text, ROWS[i].line), "row %zu: %s", i, r.text);
        ck_assert_uint_eq(entries.count, 0);
        ck_assert_uint_eq(entries.json.len, 0);
    }
    ck_assert(!result_ok(read_list("product", NULL, "code,name\n1,a\0b\n", 16)));
    ck_assert(!result_ok(READ("coal_factor", "stat_code,kind,stat_unit,tce_per_stat_unit\nxx,energy,t,1\n")));
}
END_TEST

START_TEST(every_list_can_be_read_in_the_columns_of_the_export)
{
    static const char HEAD[] =
        "code,name,parent_code,unit,precision,coal_factor,coal_factor_min,coal_factor_max,co2_factor,"
        "industry_code,role,remark,valid_from,valid_to\n1,n,p,u,4,1,0.5,2,3,C,r,x,2010-01-01,\n";
    size_t count;
    const struct basedata_list *lists = basedata_lists(&count);
    for (size_t i = 0; i < count; i++) {
        if (!lists[i].merge) {
            EXPECT(
                lists[i].name, HEAD,
                "[\n{\"code\":\"1\",\"name\":\"n\",\"parent_code\":\"p\",\"unit\":\"u\",\"precision\":4,\"coal_"
                "factor\":1,"
                "\"coal_factor_min\":0.5,\"coal_factor_max\":2,\"co2_factor\":3,\"industry_code\":\"C\",\"role\":\"r\","
                "\"remark\":\"x\"}\n]");
        }
    }
    release();
}
END_TEST

START_TEST(a_written_cell_is_read_back)
{
    static const char *const CELLS[] = {"plain", "a,b", "say \"x\"", "two\nlines", "cr\r", ""};
    for (size_t i = 0; i < ARRAY_LEN(CELLS); i++) {
        struct buf out = BUF_INIT, want = BUF_INIT;
        buf_append_str(&out, "code,name,remark\n1,n");
        basedata_csv_cell(&out, CELLS[i], false);
        struct result r = READ("product", buf_str(&out));
        ck_assert_msg(result_ok(r), "%s", r.text);
        buf_append_str(&want, "[\n{\"code\":\"1\",\"name\":\"n\",\"remark\":");
        buf_append_json(&want, CELLS[i]);
        buf_append_str(&want, "}\n]");
        ck_assert_str_eq(buf_str(&entries.json), buf_str(&want));
        buf_free(&out);
        buf_free(&want);
    }
    release();
}
END_TEST

UNIT_MAIN("basedata_csv", byte_order_mark_quotes_crlf_and_empty_lines_are_tolerated,
          columns_of_published_tables_find_their_place, rows_of_other_enumerations_are_left_aside,
          coal_factors_become_those_of_energy_types_in_their_units, co2_factors_are_those_of_one_rule_set,
          working_substances_are_counted_in_tce, working_media_without_a_national_code_get_a_local_one_by_their_name,
          every_published_table_finds_its_list, errors_name_the_line_and_give_nothing,
          every_list_can_be_read_in_the_columns_of_the_export, a_written_cell_is_read_back)
